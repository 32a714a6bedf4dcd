//! Messages as a stream of rows: exactly those that the same filter lists, in the same order, with
//! two pages in memory at a time.
//!
//! One file per format; `columns` has the cells of a row.

pub mod columns;
mod csv;
mod export_pages;
mod ndjson;
pub mod summary;
mod workbook;
mod xlsx;

pub use columns::PricedMessage;
pub use csv::{ByteOrderMark, escape_formula};

use std::io;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use futures_util::future::Either;
use futures_util::stream::{Stream, TryStreamExt};
use strum::{EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::db;
use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::scope::Visibility;
use crate::reporting::costs::Costs;
use crate::reporting::export::columns::ColumnContext;
use crate::store::messages::MessageFilter;

/// Its word is the extension of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum ExportFormat {
    Csv,
    Ndjson,
    Xlsx,
}
enum_words!(ExportFormat, "an export format");

impl ExportFormat {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
            Self::Xlsx => XLSX_TYPE,
        }
    }
}

pub const XLSX_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// What exports read from and write to.
#[derive(Clone, Debug)]
pub struct Exporter {
    pub costs: Costs,
    /// Where workbooks are built, in files without a name.
    pub folder: PathBuf,
}

#[derive(Clone, Debug)]
pub struct ExportRequest {
    pub filter: MessageFilter,
    /// The filter as names and values.
    pub described: Vec<(&'static str, String)>,
    pub format: ExportFormat,
    pub zone: Tz,
    pub mark: ByteOrderMark,
    pub visibility: Visibility,
    /// The instant for `overdue`.
    pub now: DateTime<Utc>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportChunk {
    pub bytes: Vec<u8>,
    /// Number of messages in the chunk.
    pub messages: u64,
}

#[derive(Debug, Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] db::Error),
    #[error("the workbook could not be written: {0}")]
    Workbook(#[source] io::Error),
}

/// One chunk per page; the first chunk comes even without messages, for the header of a CSV. A
/// workbook is built in a file first.
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

impl ExportRequest {
    fn columns(&self) -> ColumnContext {
        ColumnContext {
            visibility: self.visibility,
            zone: self.zone,
            now: self.now,
        }
    }
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
