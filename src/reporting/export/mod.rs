//! Messages as a stream of rows: exactly those that the same filter lists, in the same order, with
//! two pages in memory at a time.
//!
//! One file per format; `columns` has the cells of a row.

pub mod columns;
mod csv;
mod ndjson;
pub mod summary;

pub use csv::ByteOrderMark;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use futures_util::join;
use futures_util::stream::{self, Stream};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::db::Error;
use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::scope::Visibility;
use crate::reporting::export::columns::ColumnContext;
use crate::store::Store;
use crate::store::messages::{ExportPage, MessageFilter};

/// Few enough for memory, enough to make the start of the query cheap.
const PAGE: usize = 1000;

/// Its word is the extension of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum ExportFormat {
    Csv,
    Ndjson,
}
enum_words!(ExportFormat, "an export format");

impl ExportFormat {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

#[derive(Clone, Debug)]
pub struct ExportRequest {
    pub filter: MessageFilter,
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

enum ExportPosition {
    Start,
    At(ExportPage),
    End,
}

/// One chunk per page. The first chunk comes even without messages, for the header of a CSV.
pub fn stream(
    store: Store,
    export: ExportRequest,
) -> impl Stream<Item = Result<ExportChunk, Error>> {
    stream::try_unfold(
        (store, export, ExportPosition::Start),
        |(store, export, position)| async move {
            let (page, mut bytes) = match position {
                ExportPosition::Start => {
                    let first = store.first_export_page(&export.filter, PAGE).await?;
                    (first, file_start(&export))
                }
                ExportPosition::At(page) => (page, Vec::new()),
                ExportPosition::End => return Ok(None),
            };
            let writing = async { write(&export, &page, &mut bytes) };
            // The database thread reads the next page while this one is written.
            let (position, messages) = join!(next_position(&store, &export, &page), writing);
            let (position, messages) = (position?, messages?);
            Ok(Some((
                ExportChunk { bytes, messages },
                (store, export, position),
            )))
        },
    )
}

async fn next_position(
    store: &Store,
    export: &ExportRequest,
    page: &ExportPage,
) -> Result<ExportPosition, Error> {
    let next = store.next_export_page(&export.filter, page).await?;
    Ok(next.map_or(ExportPosition::End, ExportPosition::At))
}

fn write(export: &ExportRequest, page: &ExportPage, bytes: &mut Vec<u8>) -> Result<u64, Error> {
    let view = ColumnContext {
        visibility: export.visibility,
        zone: export.zone,
        now: export.now,
    };
    let messages = page.decode()?;
    let rows = messages.iter().map(|message| view.cells(message));
    match export.format {
        ExportFormat::Csv => csv::write_rows(rows, bytes),
        ExportFormat::Ndjson => ndjson::write_rows(rows, bytes),
    }
    Ok(messages.len() as u64)
}

fn file_start(export: &ExportRequest) -> Vec<u8> {
    match export.format {
        ExportFormat::Csv => csv::file_start(export.mark),
        ExportFormat::Ndjson => Vec::new(),
    }
}
