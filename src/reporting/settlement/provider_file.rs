//! Reads a provider's file (CSV): maps its columns to fields, and parses one row per message.

use std::collections::BTreeMap;
use std::io::Read;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use csv::StringRecord;
use rust_decimal::Decimal;
use strum::{EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::domain::amount::{parse_amount, parse_currency};
use crate::domain::correlation_tag;
use crate::domain::delivery_state::Stage;
use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::ids::MessageId;
use crate::domain::phone_text::parse_user_id;
use crate::domain::provider::ProviderId;
use crate::providers::vocabulary::{Meaning, meaning, parse_time};
use crate::reporting::settlement::file_header::{csv_reader, header_of};
use crate::sending::recipient_number;

/// The meaning of a column.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum FileField {
    /// The provider's id of the message.
    Id,
    /// The recipient.
    To,
    /// When the message was created.
    Time,
    Status,
    Cost,
    Currency,
    /// A reference that may have our correlation tag.
    Ref,
    Ref1,
    Ref2,
    SentAt,
    DeliveredAt,
    ReadAt,
    FailedAt,
    /// True for messages of customers, which are left out.
    Incoming,
}
enum_words!(FileField, "a field");

/// The column of each field.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ColumnMap(BTreeMap<FileField, String>);

/// Kaleyra's "WhatsApp Tabular Report":
/// <https://developers.kaleyra.io/docs/whatsapp-tabular-report>, read on 2026-11-20. It has no status
/// column: the state follows from which times are filled in.
const KALEYRA: [(FileField, &str); 11] = [
    (FileField::Id, "WHATSAPP_ID"),
    (FileField::To, "TO"),
    (FileField::Time, "CREATED_AT"),
    (FileField::Incoming, "MESSAGE_DIRECTION"),
    (FileField::SentAt, "SENT_AT"),
    (FileField::DeliveredAt, "DELIVERED_AT"),
    (FileField::ReadAt, "SEEN_AT"),
    (FileField::FailedAt, "FAILED_AT"),
    (FileField::Ref, "REF"),
    (FileField::Ref1, "REF1"),
    (FileField::Ref2, "REF2"),
];
/// The columns of [`KALEYRA`] that every file has.
const KALEYRA_REQUIRED: [FileField; 3] = [FileField::Id, FileField::To, FileField::Time];

#[derive(Debug, Error, PartialEq, Eq)]
pub enum FileError {
    #[error("`{0}` is not FIELD=COLUMN; the fields are {fields}", fields = FileField::ALL.map(FileField::as_str).join(", "))]
    Map(String),
    #[error("no columns are known for {0}; name them, at least id=COLUMN or to=COLUMN")]
    NoColumns(ProviderId),
    #[error("lacks the column `{column}` ({field}); it has {has}")]
    MissingColumn {
        column: String,
        field: &'static str,
        has: String,
    },
    #[error("line {line}: {problem}")]
    Line { line: u64, problem: String },
    #[error("is empty")]
    Empty,
    #[error("has no rows")]
    NoRows,
    #[error("has more than {0} rows; split it")]
    TooLong(usize),
    #[error("is not CSV: {0}")]
    NotCsv(String),
}

/// One message in the file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProviderRow {
    pub line: u64,
    pub id: Option<String>,
    /// Digits, or a user id.
    pub to: Option<String>,
    pub time: Option<DateTime<Utc>>,
    pub state: Option<FileState>,
    /// The text of the status, if the file has one.
    pub status: Option<String>,
    pub cost: Option<Decimal>,
    pub currency: Option<String>,
    /// The message that a reference names.
    pub tagged: Option<MessageId>,
}

/// The state of a message according to a provider's file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum FileState {
    /// Accepted by the provider or sent.
    Sent,
    Delivered,
    Read,
    Failed,
}
enum_words!(FileState);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderFile {
    pub rows: Vec<ProviderRow>,
    pub has_state: bool,
    pub has_cost: bool,
}

impl ColumnMap {
    /// The known columns of a provider, replaced by `FIELD=COLUMN` pairs.
    pub fn new(provider: ProviderId, given: &[String]) -> Result<Self, FileError> {
        let mut columns = BTreeMap::new();
        if provider == ProviderId::Kaleyra {
            columns.extend(KALEYRA.map(|(field, column)| (field, column.to_owned())));
        }
        for pair in given.iter().flat_map(|list| list.split(',')) {
            let wrong = || FileError::Map(pair.to_owned());
            let (field, column) = pair.split_once('=').ok_or_else(wrong)?;
            let field: FileField = field.trim().parse().map_err(|_| wrong())?;
            let column = column.trim();
            if column.is_empty() {
                return Err(wrong());
            }
            columns.insert(field, column.to_owned());
        }
        let names_messages =
            columns.contains_key(&FileField::Id) || columns.contains_key(&FileField::To);
        if names_messages {
            Ok(Self(columns))
        } else {
            Err(FileError::NoColumns(provider))
        }
    }

    /// The column index of each field. Columns that the caller named must exist; known ones only if
    /// every file has them.
    fn indexes(&self, header: &StringRecord) -> Result<BTreeMap<FileField, usize>, FileError> {
        let mut indexes = BTreeMap::new();
        for (field, column) in &self.0 {
            let index = header
                .iter()
                .position(|name| name.eq_ignore_ascii_case(column));
            let known = KALEYRA
                .iter()
                .any(|(of, name)| of == field && name == column);
            match index {
                Some(index) => {
                    indexes.insert(*field, index);
                }
                None if known && !KALEYRA_REQUIRED.contains(field) => {}
                None => {
                    return Err(FileError::MissingColumn {
                        column: column.clone(),
                        field: field.as_str(),
                        has: header.iter().collect::<Vec<_>>().join(", "),
                    });
                }
            }
        }
        Ok(indexes)
    }
}

/// The columns of a provider's own file that every file has, and those that are used where present.
pub fn known_columns(provider: ProviderId) -> (Vec<&'static str>, Vec<&'static str>) {
    if provider != ProviderId::Kaleyra {
        return (Vec::new(), Vec::new());
    }
    let (required, others): (Vec<_>, Vec<_>) = KALEYRA
        .into_iter()
        .partition(|(field, _)| KALEYRA_REQUIRED.contains(field));
    let names = |columns: Vec<(FileField, &'static str)>| {
        columns.into_iter().map(|(_, column)| column).collect()
    };
    (names(required), names(others))
}

/// `zone` applies to times without one. The rows are kept in memory, so at most `row_limit` are
/// read.
pub fn read_provider_file(
    input: impl Read,
    columns: &ColumnMap,
    zone: Tz,
    row_limit: usize,
) -> Result<ProviderFile, FileError> {
    let not_csv = |error: csv::Error| FileError::NotCsv(error.to_string());
    let mut reader = csv_reader(input);
    let header = header_of(&mut reader).map_err(not_csv)?;
    if header.iter().all(str::is_empty) {
        return Err(FileError::Empty);
    }
    let indexes = columns.indexes(&header)?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(not_csv)?;
        // Spreadsheets write empty rows at the end.
        if record.iter().all(str::is_empty) {
            continue;
        }
        let line = record.position().map_or(0, csv::Position::line);
        let row = parse_row(&record, &indexes, zone, line);
        let row = row.map_err(|problem| FileError::Line { line, problem })?;
        rows.extend(row);
        if rows.len() > row_limit {
            return Err(FileError::TooLong(row_limit));
        }
    }
    if rows.is_empty() {
        return Err(FileError::NoRows);
    }
    let has = |fields: &[FileField]| fields.iter().any(|field| indexes.contains_key(field));
    Ok(ProviderFile {
        has_state: has(&[
            FileField::Status,
            FileField::SentAt,
            FileField::DeliveredAt,
            FileField::ReadAt,
            FileField::FailedAt,
        ]),
        has_cost: has(&[FileField::Cost]),
        rows,
    })
}

/// `None` for a message that a customer sent.
fn parse_row(
    record: &StringRecord,
    indexes: &BTreeMap<FileField, usize>,
    zone: Tz,
    line: u64,
) -> Result<Option<ProviderRow>, String> {
    let text = |field: FileField| {
        let text = record.get(*indexes.get(&field)?)?;
        Some(text).filter(|text| !text.is_empty())
    };
    let time = |field: FileField| {
        let parsed = text(field).map(|text| {
            let time = parse_time(text)
                .ok_or_else(|| format!("{} `{text}` is not a time", field.as_str()))?;
            Ok::<_, String>(time.in_zone(zone))
        });
        parsed.transpose()
    };
    if text(FileField::Incoming).is_some_and(|word| word.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let cost = text(FileField::Cost)
        .map(|text| parse_amount(text).ok_or_else(|| format!("cost `{text}` is not an amount")))
        .transpose()?;
    let tags = [FileField::Ref2, FileField::Ref1, FileField::Ref];
    Ok(Some(ProviderRow {
        line,
        id: text(FileField::Id).map(str::to_owned),
        to: text(FileField::To).map(parse_recipient),
        time: time(FileField::Time)?,
        state: parse_state(text(FileField::Status), |field| Ok(time(field)?.is_some()))?,
        status: text(FileField::Status).map(str::to_owned),
        cost,
        currency: text(FileField::Currency).and_then(parse_currency),
        tagged: tags
            .into_iter()
            .find_map(|field| correlation_tag::find(text(field)?)),
    }))
}

/// Files write numbers with and without `+`; other texts are compared as they are.
fn parse_recipient(text: &str) -> String {
    let number = recipient_number::parse_stored(text).map(|number| number.digits().to_owned());
    number
        .ok()
        .or_else(|| parse_user_id(text))
        .unwrap_or_else(|| text.to_owned())
}

/// Reads the state from the status, else from the times that are filled in.
fn parse_state(
    status: Option<&str>,
    has: impl Fn(FileField) -> Result<bool, String>,
) -> Result<Option<FileState>, String> {
    if let Some(word) = status {
        return match meaning(word, &[]) {
            Some(Meaning::Failed) => Ok(Some(FileState::Failed)),
            Some(Meaning::Reached(Stage::Delivered)) => Ok(Some(FileState::Delivered)),
            Some(Meaning::Reached(Stage::Read | Stage::Played)) => Ok(Some(FileState::Read)),
            Some(Meaning::Reached(_)) => Ok(Some(FileState::Sent)),
            Some(Meaning::NoEffect) | None => Err(format!("status `{word}` is not known")),
        };
    }
    Ok(if has(FileField::ReadAt)? {
        Some(FileState::Read)
    } else if has(FileField::DeliveredAt)? {
        Some(FileState::Delivered)
    } else if has(FileField::FailedAt)? {
        Some(FileState::Failed)
    } else if has(FileField::SentAt)? {
        Some(FileState::Sent)
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kaleyra(text: &str) -> Result<ProviderFile, FileError> {
        let columns = ColumnMap::new(ProviderId::Kaleyra, &[]).unwrap();
        read_provider_file(text.as_bytes(), &columns, Tz::UTC, 2)
    }

    #[test]
    fn the_state_follows_from_the_times_that_are_filled_in() {
        let file = kaleyra(
            "\u{feff}WABA ID,WHATSAPP_ID,FROM,TO,MESSAGE_DIRECTION,CREATED_AT,FAILED_AT,SENT_AT,DELIVERED_AT,SEEN_AT\n\
             1,a:0,918600000001,+919970000001,false,2026-11-20T10:00:00.000Z,,2026-11-20T10:00:01.000Z,2026-11-20T10:00:02.000Z,\n\
             1,b:0,918600000001,919970000002,false,2026-11-20T10:00:00.000Z,2026-11-20T10:00:01.000Z,,,\n\
             1,c:0,919970000003,918600000001,true,2026-11-20T10:00:00.000Z,,,,\n",
        )
        .unwrap();
        let states: Vec<_> = file
            .rows
            .iter()
            .map(|row| (row.to.as_deref(), row.state))
            .collect();
        assert_eq!(
            states,
            [
                (Some("919970000001"), Some(FileState::Delivered)),
                (Some("919970000002"), Some(FileState::Failed)),
            ]
        );
        assert!(file.has_state && !file.has_cost);
    }

    #[test]
    fn mistakes_in_a_file_are_reported() {
        let columns = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
            ColumnMap::new(ProviderId::Sobot, &given)
        };
        assert_eq!(columns(&[]), Err(FileError::NoColumns(ProviderId::Sobot)));
        assert!(matches!(columns(&["price=X"]), Err(FileError::Map(_))));
        let map = columns(&["id=Message,status=State,cost=Fee", "time=When"]).unwrap();
        for (text, start) in [
            (
                "Message,State,Fee\nx,read,1\n",
                "lacks the column `When` (time); it has Message, State, Fee",
            ),
            (
                "Message,State,Fee,When\nx,vanished,1,\n",
                "line 2: status `vanished` is not known",
            ),
            (
                "Message,State,Fee,When\nx,read,1,\ny,read,much,\n",
                "line 3: cost `much`",
            ),
            (
                "Message,State,Fee,When\nx,read,1,noon\n",
                "line 2: time `noon`",
            ),
            (
                "Message,State,Fee,When\r\nx,read,1,\r\n,,,\r\n\"y\",read,\"much\",\"\"\r\n",
                "line 4: cost `much`",
            ),
            ("Message,State,Fee,When\r\n\r\n,,,\r\n", "has no rows"),
            ("Message,State,Fee,When\n", "has no rows"),
            ("", "is empty"),
            ("\u{feff} \n\n", "is empty"),
            (
                "Message,State,Fee,When\nx,read,1,\ny,read,1,\nz,read,1,\n",
                "has more than 2 rows; split it",
            ),
        ] {
            let error = read_provider_file(text.as_bytes(), &map, Tz::UTC, 2)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(start), "{error}");
        }
        let error = kaleyra("WHATSAPP_ID,CREATED_AT\n").unwrap_err().to_string();
        assert!(error.starts_with("lacks the column `TO`"), "{error}");
    }
}
