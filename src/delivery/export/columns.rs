//! The columns of every export, in their order, and what stands in them. New ones only at the end.

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

use crate::domain::access::Visibility;
use crate::domain::delivery::Stage;
use crate::domain::ids::ProviderMessageId;
use crate::domain::media::MediaKind;
use crate::domain::message::Message;
use crate::domain::phone::mask;

/// How many columns there are.
pub const COUNT: usize = 28;

/// Their names.
pub const COLUMNS: [&str; COUNT] = [
    "id",
    "account",
    "provider",
    "from",
    "to",
    "name",
    "kind",
    "state",
    "conflict",
    "overdue",
    "origin",
    "provider_id",
    "ref",
    "ref1",
    "ref2",
    "client_reference",
    "created_at",
    "submitted_at",
    "sent_at",
    "delivered_at",
    "read_at",
    "failed_at",
    "failure_code",
    "failure_class",
    "failure_detail",
    "billable",
    "pricing_category",
    "price",
];

/// What stands in one column of one row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cell {
    /// There is no such thing.
    Absent,
    /// A text, a time, a price exactly as written.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

/// How a row is seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) visibility: Visibility,
    pub(super) zone: Tz,
    pub(super) now: DateTime<Utc>,
}

impl View {
    /// A message's cells, in the order of [`COLUMNS`].
    pub(super) fn cells(&self, message: &Message) -> [Cell; COUNT] {
        let failure = message.failure.as_ref();
        let words = failure.map(|listed| &listed.failure);
        let references = &message.references;
        let stage = |stage| self.time(message.stage(stage));
        [
            text(&message.id),
            text(&message.account),
            text(&message.provider),
            self.phone(message.sender.as_deref()),
            self.phone(message.recipient.as_deref()),
            self.personal(message.name.as_deref()),
            optional(message.kind.map(MediaKind::as_str)),
            text(&message.state),
            Cell::Flag(message.conflict),
            Cell::Flag(message.is_overdue(self.now)),
            text(&message.origin),
            self.provider_id(message.provider_id.as_ref()),
            optional(references.reference.as_ref()),
            optional(references.reference1.as_ref()),
            optional(references.reference2.as_ref()),
            optional(message.client_reference.as_ref()),
            self.time(Some(message.created_at)),
            stage(Stage::Submitted),
            stage(Stage::Sent),
            stage(Stage::Delivered),
            stage(Stage::Read),
            self.time(failure.map(|listed| listed.at)),
            optional(words.and_then(|words| {
                let code = words.code.as_deref()?;
                Some(self.visibility.code(code))
            })),
            optional(failure.map(|listed| listed.class)),
            self.quoted(words.and_then(|words| words.detail.as_deref().or(words.title.as_deref()))),
            message.pricing.billable.map_or(Cell::Absent, Cell::Flag),
            optional(message.pricing.category.as_ref()),
            optional(message.pricing.price.as_ref()),
        ]
    }

    fn time(&self, at: Option<DateTime<Utc>>) -> Cell {
        optional(at.map(|at| {
            at.with_timezone(&self.zone)
                .to_rfc3339_opts(SecondsFormat::Millis, true)
        }))
    }

    /// A number as `+` and digits, whether it was stored with or without; anything else as it is.
    fn phone(&self, number: Option<&str>) -> Cell {
        optional(number.map(|number| {
            let digits = number.strip_prefix('+').unwrap_or(number);
            match self.visibility {
                Visibility::Masked => mask(digits),
                Visibility::Full if is_phone(digits) => format!("+{digits}"),
                Visibility::Full => number.to_owned(),
            }
        }))
    }

    fn personal(&self, name: Option<&str>) -> Cell {
        match self.visibility {
            Visibility::Full => optional(name),
            Visibility::Masked => Cell::Absent,
        }
    }

    fn provider_id(&self, id: Option<&ProviderMessageId>) -> Cell {
        optional(id.map(|id| self.visibility.id(id)))
    }

    fn quoted(&self, words: Option<&str>) -> Cell {
        optional(words.map(|words| self.visibility.words(words)))
    }
}

/// Whether these are the digits of an international phone number.
pub(super) fn is_phone(digits: &str) -> bool {
    (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn text(value: &impl ToString) -> Cell {
    Cell::Text(value.to_string())
}

fn optional(value: Option<impl ToString>) -> Cell {
    value.map_or(Cell::Absent, |value| text(&value))
}
