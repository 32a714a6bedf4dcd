//! Messages as a stream of rows: exactly those that the same filter lists, in the same order, two pages in memory at a time.
//!
//! What a row holds is `columns`' matter; how it is written, that of one file per format.

pub mod columns;
mod csv;
mod ndjson;
pub mod summary;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use futures_util::join;
use futures_util::stream::{self, Stream};

use crate::db::Error;
use crate::domain::access::Visibility;
use crate::reporting::export::columns::View;
use crate::store::Store;
use crate::store::messages::{ExportPage, MessageFilter};

/// Messages read at once: few enough for the memory, enough to make the query's start cheap.
const PAGE: usize = 1000;

/// How rows are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

impl Format {
    /// The end of the file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// Whether a file begins by saying that it is UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByteOrderMark {
    /// It does; Excel needs it.
    Written,
    /// It does not.
    Absent,
}

/// What is exported, and how it is shown.
#[derive(Clone, Debug)]
pub struct Export {
    /// Which messages.
    pub filter: MessageFilter,
    /// How rows are written.
    pub format: Format,
    /// Zone of the times.
    pub zone: Tz,
    /// Whether a CSV says that it is UTF-8.
    pub mark: ByteOrderMark,
    /// What the reader may see of people.
    pub visibility: Visibility,
    /// The instant at which `overdue` is told.
    pub now: DateTime<Utc>,
}

/// A piece of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// What to write.
    pub bytes: Vec<u8>,
    /// How many messages it holds.
    pub messages: u64,
}

/// Where the export stands.
enum Place {
    Start,
    At(ExportPage),
    End,
}

/// The file, a chunk for each page. The first chunk comes even when nothing fits: a CSV has its header.
pub fn stream(store: Store, export: Export) -> impl Stream<Item = Result<Chunk, Error>> {
    stream::try_unfold(
        (store, export, Place::Start),
        |(store, export, place)| async move {
            let (page, mut bytes) = match place {
                Place::Start => {
                    let first = store.begin_export(&export.filter, PAGE).await?;
                    (first, opening(&export))
                }
                Place::At(page) => (page, Vec::new()),
                Place::End => return Ok(None),
            };
            let writing = async { write(&export, &page, &mut bytes) };
            // The database's thread reads the next page while ours writes this one.
            let (place, messages) = join!(follow(&store, &export, &page), writing);
            let (place, messages) = (place?, messages?);
            Ok(Some((Chunk { bytes, messages }, (store, export, place))))
        },
    )
}

/// The place after a page.
async fn follow(store: &Store, export: &Export, page: &ExportPage) -> Result<Place, Error> {
    let next = store.go_on_exporting(&export.filter, page).await?;
    Ok(next.map_or(Place::End, Place::At))
}

/// Appends a page's rows and tells how many they are.
fn write(export: &Export, page: &ExportPage, bytes: &mut Vec<u8>) -> Result<u64, Error> {
    let view = View {
        visibility: export.visibility,
        zone: export.zone,
        now: export.now,
    };
    let messages = page.decode()?;
    let rows = messages.iter().map(|message| view.cells(message));
    match export.format {
        Format::Csv => csv::write_rows(rows, bytes),
        Format::Ndjson => ndjson::write_rows(rows, bytes),
    }
    Ok(messages.len() as u64)
}

fn opening(export: &Export) -> Vec<u8> {
    match export.format {
        Format::Csv => csv::opening(export.mark),
        Format::Ndjson => Vec::new(),
    }
}
