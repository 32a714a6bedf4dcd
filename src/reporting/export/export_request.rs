//! The request for an export, and the chunks of the file.

use std::io;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use strum::{EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::db;
use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::scope::Visibility;
use crate::reporting::costs::Costs;
use crate::reporting::export::columns::ColumnContext;
use crate::reporting::export::csv::ByteOrderMark;
use crate::store::messages::MessageFilter;

/// The word of a format is the file's extension.
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
            Self::Ndjson => NDJSON_TYPE,
            Self::Xlsx => XLSX_TYPE,
        }
    }
}

/// Without its charset.
pub const CSV_TYPE: &str = "text/csv";
pub const NDJSON_TYPE: &str = "application/x-ndjson";
pub const XLSX_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// What exports read from and write to.
#[derive(Clone, Debug)]
pub struct Exporter {
    pub costs: Costs,
    /// The folder of the unnamed temporary files of workbooks.
    pub folder: PathBuf,
}

#[derive(Clone, Debug)]
pub struct ExportRequest {
    pub filter: MessageFilter,
    /// Names and values of the filter, for the workbook.
    pub filter_values: Vec<(&'static str, String)>,
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

impl ExportRequest {
    pub(super) fn columns(&self) -> ColumnContext {
        ColumnContext {
            visibility: self.visibility,
            zone: self.zone,
            now: self.now,
        }
    }
}
