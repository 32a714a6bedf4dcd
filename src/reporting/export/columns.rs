//! The columns of every export, and the cells of one row.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

use crate::domain::failure::FailureClass;
use crate::domain::ids::ProviderMessageId;
use crate::domain::media::MediaKind;
use crate::domain::scope::Visibility;
use crate::store::messages::ExportedMessage;

pub const COLUMN_COUNT: usize = 28;

/// New columns only at the end.
pub const COLUMNS: [&str; COLUMN_COUNT] = [
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

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cell<'a> {
    Absent,
    /// A text, a time, or a price exactly as received.
    Text(Cow<'a, str>),
    Flag(bool),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnContext {
    pub(super) visibility: Visibility,
    pub(super) zone: Tz,
    pub(super) now: DateTime<Utc>,
}

impl ColumnContext {
    /// In the order of [`COLUMNS`].
    pub(super) fn cells<'a>(&self, message: &'a ExportedMessage) -> [Cell<'a>; COLUMN_COUNT] {
        let failure = message.failure.as_ref();
        let references = &message.references;
        [
            text(message.id.to_string()),
            text(message.account.as_str()),
            text(message.provider.as_str()),
            self.phone(message.sender.as_deref()),
            self.phone(message.recipient.as_deref()),
            self.personal(message.name.as_deref()),
            optional(message.kind.map(MediaKind::as_str)),
            text(message.state.as_str()),
            Cell::Flag(message.conflict),
            Cell::Flag(message.due_at.is_some_and(|due| due <= self.now)),
            text(message.origin.as_str()),
            self.provider_id(message.provider_id.as_ref()),
            optional(references.reference.as_deref()),
            optional(references.reference1.as_deref()),
            optional(references.reference2.as_deref()),
            optional(message.client_reference.as_deref()),
            self.time(Some(message.created_at)),
            self.time(message.submitted_at),
            self.time(message.sent_at),
            self.time(message.delivered_at),
            self.time(message.read_at),
            self.time(failure.map(|failure| failure.at)),
            optional(failure.and_then(|failure| {
                let code = failure.code.as_deref()?;
                Some(self.visibility.mask_code(code))
            })),
            optional(failure.map(|failure| FailureClass::as_str(failure.class))),
            self.provider_text(failure.and_then(|failure| failure.words.as_deref())),
            message.billable.map_or(Cell::Absent, Cell::Flag),
            optional(message.pricing_category.as_deref()),
            optional(message.price.as_deref()),
        ]
    }

    fn time(&self, at: Option<DateTime<Utc>>) -> Cell<'static> {
        optional(at.map(|at| {
            at.with_timezone(&self.zone)
                .to_rfc3339_opts(SecondsFormat::Millis, true)
        }))
    }

    fn phone(&self, number: Option<&str>) -> Cell<'static> {
        optional(number.map(|number| self.visibility.mask_phone(number)))
    }

    fn personal<'a>(&self, name: Option<&'a str>) -> Cell<'a> {
        match self.visibility {
            Visibility::Full => optional(name),
            Visibility::Masked => Cell::Absent,
        }
    }

    fn provider_id(&self, id: Option<&ProviderMessageId>) -> Cell<'static> {
        optional(id.map(|id| self.visibility.mask_id(id)))
    }

    fn provider_text(&self, text: Option<&str>) -> Cell<'static> {
        optional(text.map(|text| self.visibility.mask_text(text)))
    }
}

fn text<'a>(value: impl Into<Cow<'a, str>>) -> Cell<'a> {
    Cell::Text(value.into())
}

fn optional<'a>(value: Option<impl Into<Cow<'a, str>>>) -> Cell<'a> {
    value.map_or(Cell::Absent, text)
}
