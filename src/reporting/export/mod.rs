//! Messages as a stream of rows: exactly those that the same filter lists, in the same order, with
//! two pages in memory at a time.
//!
//! One file per format; `columns` has the cells of a row.

pub mod columns;
mod csv;
mod export_pages;
mod export_request;
mod ndjson;
pub mod summary;
mod workbook;
mod xlsx;

pub use columns::PricedMessage;
pub use csv::{ByteOrderMark, escape_formula};
pub use export_request::{
    CSV_TYPE, ExportChunk, ExportError, ExportFormat, ExportRequest, Exporter, NDJSON_TYPE,
    XLSX_TYPE,
};

use futures_util::future::Either;
use futures_util::stream::{Stream, TryStreamExt};

use crate::db;
use crate::reporting::costs::Costs;
use crate::reporting::export::columns::ColumnContext;
use crate::store::messages::MessageFilter;

/// One chunk per page; the first chunk comes even without messages, for the header of a CSV. The
/// first chunk of a workbook comes when all rows are read.
pub fn stream(
    exporter: Exporter,
    export: ExportRequest,
) -> impl Stream<Item = Result<ExportChunk, ExportError>> {
    let format = match export.format {
        ExportFormat::Csv => TextFormat::Csv(export.mark),
        ExportFormat::Ndjson => TextFormat::Ndjson,
        ExportFormat::Xlsx => return Either::Left(xlsx::stream(exporter, export)),
    };
    let (view, mut start) = (export.columns(), Some(file_start(format)));
    let chunks = export_pages::stream(exporter.costs, export.filter, move |page| {
        let mut bytes = start.take().unwrap_or_default();
        write(format, view, &page, &mut bytes);
        ExportChunk {
            bytes,
            messages: page.len() as u64,
        }
    });
    Either::Right(chunks.map_err(ExportError::Store))
}

/// Messages with their costs, newest first, page by page.
pub fn priced_pages(
    costs: Costs,
    filter: MessageFilter,
) -> impl Stream<Item = Result<Vec<PricedMessage>, db::Error>> {
    export_pages::stream(costs, filter, |page| page)
}

/// A format that is written page by page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TextFormat {
    Csv(ByteOrderMark),
    Ndjson,
}

fn write(format: TextFormat, view: ColumnContext, page: &[PricedMessage], bytes: &mut Vec<u8>) {
    let rows = page.iter().map(|message| view.cells(message));
    match format {
        TextFormat::Csv(_) => csv::write_rows(rows, bytes),
        TextFormat::Ndjson => ndjson::write_rows(rows, bytes),
    }
}

fn file_start(format: TextFormat) -> Vec<u8> {
    match format {
        TextFormat::Csv(mark) => csv::file_start(mark),
        TextFormat::Ndjson => Vec::new(),
    }
}
