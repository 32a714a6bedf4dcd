//! Messages as a stream of rows: exactly those that the same filter lists, in the same order, with
//! a few pages in memory at a time.
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
pub use export_pages::priced_pages;
pub use export_request::{
    CSV_TYPE, ExportChunk, ExportError, ExportFormat, ExportRequest, Exporter, NDJSON_TYPE,
    XLSX_TYPE,
};

use futures_util::future::Either;
use futures_util::stream::{Stream, StreamExt};
use tokio::task::spawn_blocking;

use crate::reporting::export::columns::ColumnContext;

/// How many pages are written at a time, each on a thread of its own, while the next one is read.
const PAGES_WRITTEN: usize = 2;

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
    let chunks = priced_pages(exporter.costs, export.filter).map(move |page| {
        let start = start.take().unwrap_or_default();
        async move {
            let page = page?;
            let writing = spawn_blocking(move || write(format, view, &page, start));
            writing.await.map_err(ExportError::Rows)
        }
    });
    Either::Right(chunks.buffered(PAGES_WRITTEN))
}

/// A format that is written page by page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TextFormat {
    Csv(ByteOrderMark),
    Ndjson,
}

/// Appends the rows to `bytes`.
fn write(
    format: TextFormat,
    view: ColumnContext,
    page: &[PricedMessage],
    mut bytes: Vec<u8>,
) -> ExportChunk {
    let rows = page.iter().map(|message| view.cells(message));
    match format {
        TextFormat::Csv(_) => csv::write_rows(rows, &mut bytes),
        TextFormat::Ndjson => ndjson::write_rows(rows, &mut bytes),
    }
    ExportChunk {
        bytes,
        messages: page.len() as u64,
    }
}

fn file_start(format: TextFormat) -> Vec<u8> {
    match format {
        TextFormat::Csv(mark) => csv::file_start(mark),
        TextFormat::Ndjson => Vec::new(),
    }
}
