//! The columns of every export, and the cells of one row.

use std::borrow::Cow;
use std::ops::Deref;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;

use crate::domain::campaign::CampaignId;
use crate::domain::cost::Cost;
use crate::domain::failure::FailureClass;
use crate::domain::ids::ProviderMessageId;
use crate::domain::media::MediaKind;
use crate::domain::receipt::is_charged;
use crate::domain::scope::Visibility;
use crate::store::messages::ExportedMessage;

pub const COLUMN_COUNT: usize = 34;

/// New columns only at the end.
static COLUMNS: [ExportColumn; COLUMN_COUNT] = [
    column("id", |_, message| text(message.id.to_string())),
    column("account", |_, message| text(message.account.as_str())),
    column("provider", |_, message| text(message.provider.as_str())),
    column("from", |context, message| {
        context.phone(message.sender.as_deref())
    }),
    column("to", |context, message| {
        context.phone(message.recipient.as_deref())
    }),
    column("name", |context, message| {
        context.personal(message.name.as_deref())
    }),
    column("kind", |_, message| {
        optional(message.kind.map(MediaKind::as_str))
    }),
    column("state", |_, message| text(message.state.as_str())),
    column("conflict", |_, message| Cell::Flag(message.conflict)),
    column("overdue", |context, message| {
        Cell::Flag(message.due_at.is_some_and(|due| due <= context.now))
    }),
    column("origin", |_, message| text(message.origin.as_str())),
    column("provider_id", |context, message| {
        context.provider_id(message.provider_id.as_ref())
    }),
    column("ref", |_, message| {
        optional(message.references.reference.as_deref())
    }),
    column("ref1", |_, message| {
        optional(message.references.reference1.as_deref())
    }),
    column("ref2", |_, message| {
        optional(message.references.reference2.as_deref())
    }),
    column("client_reference", |_, message| {
        optional(message.client_reference.as_deref())
    }),
    column("created_at", |context, message| {
        context.time(Some(message.created_at))
    }),
    column("submitted_at", |context, message| {
        context.time(message.submitted_at)
    }),
    column("sent_at", |context, message| context.time(message.sent_at)),
    column("delivered_at", |context, message| {
        context.time(message.delivered_at)
    }),
    column("read_at", |context, message| context.time(message.read_at)),
    column("failed_at", |context, message| {
        context.time(message.failure.as_ref().map(|failure| failure.at))
    }),
    column("failure_code", |context, message| {
        let code = message
            .failure
            .as_ref()
            .and_then(|failure| failure.code.as_deref());
        optional(code.map(|code| context.visibility.mask_code(code)))
    }),
    column("failure_class", |_, message| {
        let failure = message.failure.as_ref();
        optional(failure.map(|failure| FailureClass::as_str(failure.class)))
    }),
    column("failure_detail", |context, message| {
        let failure = message.failure.as_ref();
        context.provider_text(failure.and_then(|failure| failure.text.as_deref()))
    }),
    column("billable", |_, message| {
        is_charged(message.pricing.billable, message.state).map_or(Cell::Absent, Cell::Flag)
    }),
    column("pricing_category", |_, message| {
        optional(message.pricing.category.as_deref())
    }),
    column("price", |_, message| {
        optional(message.pricing.price.as_deref())
    }),
    column("campaign", |_, message| {
        optional(message.campaign.as_ref().map(CampaignId::as_str))
    }),
    column("template", |_, message| {
        optional(message.template_name.as_deref())
    }),
    column("cost", |_, message| {
        message.cost.amount.map_or(Cell::Absent, Cell::Amount)
    }),
    column("cost_currency", |_, message| {
        optional(message.cost.currency.as_deref())
    }),
    column("cost_basis", |_, message| text(message.cost.basis.as_str())),
    column("pricing_type", |_, message| {
        optional(message.pricing.kind.as_deref())
    }),
];

/// A message with its cost, which is one row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PricedMessage {
    pub message: ExportedMessage,
    pub cost: Cost,
}

impl Deref for PricedMessage {
    type Target = ExportedMessage;

    fn deref(&self) -> &ExportedMessage {
        &self.message
    }
}

type CellFunction = for<'a> fn(&ColumnContext, &'a PricedMessage) -> Cell<'a>;

#[derive(Clone, Copy, Debug)]
struct ExportColumn {
    name: &'static str,
    cell: CellFunction,
}

const fn column(name: &'static str, cell: CellFunction) -> ExportColumn {
    ExportColumn { name, cell }
}

pub fn column_names() -> [&'static str; COLUMN_COUNT] {
    COLUMNS.each_ref().map(|column| column.name)
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cell<'a> {
    Absent,
    /// A text, or a price exactly as received.
    Text(Cow<'a, str>),
    Flag(bool),
    Time(DateTime<Tz>),
    Amount(Decimal),
}

impl Cell<'_> {
    /// The text for CSV and JSON; `None` for an absent value and for a flag.
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Self::Absent | Self::Flag(_) => None,
            Self::Text(text) => Some(text.into_owned()),
            Self::Time(at) => Some(at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            Self::Amount(amount) => Some(amount.to_string()),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnContext {
    pub(super) visibility: Visibility,
    pub(super) zone: Tz,
    pub(super) now: DateTime<Utc>,
}

impl ColumnContext {
    /// The cells of a row, in the order of [`COLUMNS`].
    pub(super) fn cells(self, message: &PricedMessage) -> impl Iterator<Item = Cell<'_>> {
        COLUMNS
            .iter()
            .map(move |column| (column.cell)(&self, message))
    }

    fn time(&self, at: Option<DateTime<Utc>>) -> Cell<'static> {
        at.map_or(Cell::Absent, |at| Cell::Time(at.with_timezone(&self.zone)))
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
