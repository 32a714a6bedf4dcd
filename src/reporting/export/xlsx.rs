//! Messages as a workbook. A thread receives pages, builds the workbook, and sends back its bytes:
//! neither the rows nor the file are ever in memory as a whole.

use std::io::{self, Write};
use std::path::PathBuf;

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::reporting::export::columns::{Cell, ColumnContext, PricedMessage, column_names};
use crate::reporting::export::export_pages;
use crate::reporting::export::export_request::{ExportChunk, ExportError, ExportRequest, Exporter};
use crate::reporting::export::workbook::{SheetWriter, Value, add_about, into_io, new_workbook};

/// The most pages, and the most chunks, that wait for their receiver.
const QUEUE_LENGTH: usize = 2;
/// In bytes.
const CHUNK_SIZE: usize = 64 * 1024;

type BuiltChunk = Result<ExportChunk, ExportError>;

pub(super) fn stream(exporter: Exporter, export: ExportRequest) -> impl Stream<Item = BuiltChunk> {
    stream::once(async move { start(exporter, export).await })
        .try_flatten()
        .boxed_local()
}

/// Reads all pages into the workbook before its first byte.
async fn start(
    exporter: Exporter,
    export: ExportRequest,
) -> Result<impl Stream<Item = BuiltChunk>, ExportError> {
    let (pages, received) = mpsc::channel(QUEUE_LENGTH);
    let (chunks, built) = mpsc::channel(QUEUE_LENGTH);
    let filter = export.filter.clone();
    let builder = Builder {
        folder: exporter.folder,
        export,
        pages: received,
        chunks,
    };
    let building = tokio::task::spawn_blocking(move || builder.run());
    let mut rows = Box::pin(export_pages::stream(exporter.costs, filter, |page| page));
    while let Some(page) = rows.try_next().await? {
        // This fails only if the thread has failed; its error is returned below.
        if pages.send(page).await.is_err() {
            break;
        }
    }
    drop(pages);
    let failure = stream::once(async move {
        match building.await {
            Ok(Ok(())) => Ok(None),
            Ok(Err(error)) => Err(ExportError::Workbook(error)),
            Err(error) => Err(ExportError::Workbook(io::Error::other(error))),
        }
    });
    let chunks = stream::unfold(built, |mut built: Receiver<ExportChunk>| async {
        built.recv().await.map(|chunk| (Ok(Some(chunk)), built))
    });
    Ok(chunks
        .chain(failure)
        .try_filter_map(|chunk| async move { Ok(chunk) }))
}

struct Builder {
    folder: PathBuf,
    export: ExportRequest,
    pages: Receiver<Vec<PricedMessage>>,
    chunks: Sender<ExportChunk>,
}

impl Builder {
    fn run(mut self) -> io::Result<()> {
        let mut workbook = new_workbook(&self.folder)?;
        let view = self.export.columns();
        let columns = column_names().map(|name| (name.to_owned(), width(name)));
        let mut sheet = SheetWriter::begin(&mut workbook, "Messages", columns.to_vec())?;
        let mut messages = 0;
        while let Some(page) = self.pages.blocking_recv() {
            for message in &page {
                sheet.add(row(view, message))?;
                messages += 1;
            }
        }
        let count = i64::try_from(messages).unwrap_or(i64::MAX);
        let filters = self.export.filter_values.iter();
        let lines = [("messages".to_owned(), Value::Count(count))]
            .into_iter()
            .chain(
                filters.map(|(name, value)| (format!("filter {name}"), Value::Text(value.clone()))),
            );
        add_about(&mut workbook, self.export.now, self.export.zone, lines)?;
        let mut writer = ChunkWriter {
            buffer: Vec::with_capacity(CHUNK_SIZE),
            messages,
            chunks: self.chunks,
        };
        workbook.save_to_writer(&mut writer).map_err(into_io)?;
        writer.flush()
    }
}

fn row(view: ColumnContext, message: &PricedMessage) -> impl Iterator<Item = Value> {
    view.cells(message).map(|cell| match cell {
        Cell::Absent => Value::Empty,
        Cell::Text(text) => Value::Text(text.into_owned()),
        Cell::Flag(flag) => Value::Flag(flag),
        Cell::Time(at) => Value::Time(at),
        Cell::Amount(amount) => Value::Amount(amount),
    })
}

/// In characters.
fn width(column: &str) -> f64 {
    match column {
        "id" | "provider_id" => 38.0,
        "failure_detail" | "name" => 28.0,
        name if name.ends_with("_at") => 20.0,
        "from" | "to" | "account" | "client_reference" | "campaign" | "template" => 18.0,
        _ => 12.0,
    }
}

/// Sends the written bytes in chunks. The first chunk has the number of all messages.
struct ChunkWriter {
    buffer: Vec<u8>,
    messages: u64,
    chunks: Sender<ExportChunk>,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_SIZE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = ExportChunk {
            bytes: std::mem::take(&mut self.buffer),
            messages: std::mem::take(&mut self.messages),
        };
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the export has no reader");
        self.chunks.blocking_send(chunk).map_err(gone)
    }
}
