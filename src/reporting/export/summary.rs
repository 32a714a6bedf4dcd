//! The delivery summary as a file. A CSV file has the names of the API, and every row has the time of
//! counting and the time zone of its days. A workbook has the labels of the page, and a sheet of its
//! own for that time and zone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::reporting::delivery_summary::{Dimension, Interval, SummaryFigures, SummaryGroup};
use crate::reporting::export::csv::{ByteOrderMark, byte_order_mark, escape_formula, write};
use crate::reporting::export::workbook::{SheetWriter, Value, add_about, into_io, new_workbook};
use crate::reporting::summary_report::SummaryReport;

/// The columns of CSV before the states.
const FIRST_COLUMNS: [&str; 4] = ["day", "account", "kind", "messages"];
/// The columns after the states, and before a cost per currency. New ones only at the end.
const LAST_COLUMNS: [&str; 16] = [
    "observed",
    "dry_run",
    "time_to_sent_p50_ms",
    "time_to_delivered_p50_ms",
    "time_to_read_p50_ms",
    "as_of",
    "tz",
    "interval",
    "campaign",
    "attempted",
    "delivered_or_read",
    "read_or_played",
    "charged_deliveries",
    "free_deliveries",
    "deliveries_without_rate",
    "failed_in_queue",
];

/// The word of a format is the file's extension.
#[derive(Clone, Copy, PartialEq, Eq, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum SummaryFormat {
    Csv,
    Xlsx,
    Json,
}
enum_words!(SummaryFormat, "a format");

/// The columns of a workbook after those of the group, and before a cost per currency. As on the page,
/// `Delivered` includes messages that were read later, and `Read` those that were played later.
const FIGURE_LABELS: [&str; 13] = [
    "Messages",
    "Attempted",
    "Delivered",
    "Read",
    "Failed",
    "Failed in the queue",
    "Half sent within, s",
    "Half delivered within, s",
    "Half read within, s",
    "Charged deliveries",
    "Free deliveries",
    "Deliveries without a price",
    "Sent elsewhere",
];

/// A summary, and what the file says about it.
#[derive(Clone, Debug)]
pub struct SummaryFile {
    rows: BTreeMap<SummaryGroup, SummaryFigures>,
    total: SummaryFigures,
    by: Vec<Dimension>,
    interval: Interval,
    zone: Tz,
    as_of: DateTime<Utc>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl SummaryFile {
    /// Rows are grouped by the interval and by `by`.
    pub fn new(report: &SummaryReport, by: &[Dimension]) -> Self {
        Self {
            rows: report.sums.by_interval(by),
            total: report.sums.total(),
            by: by.to_vec(),
            interval: report.interval,
            zone: report.zone,
            as_of: report.as_of,
            from: report.period.from,
            to: report.period.to,
        }
    }

    pub fn write_csv(&self, mark: ByteOrderMark) -> Vec<u8> {
        let mut bytes = byte_order_mark(mark);
        let currencies = self.currencies();
        write(&mut bytes, |writer| {
            writer.write_record(columns(&currencies))?;
            for (group, figures) in &self.rows {
                for value in self.values(group, figures, &currencies) {
                    writer.write_field(escape_formula(&text(value)).as_bytes())?;
                }
                writer.write_record(None::<&[u8]>)?;
            }
            Ok(())
        });
        bytes
    }

    /// `folder` holds the rows while the workbook is built. The last row of the sheet is the total.
    pub fn write_xlsx(&self, folder: &Path) -> io::Result<Vec<u8>> {
        let mut workbook = new_workbook(folder)?;
        let currencies = self.currencies();
        let labels = self.labels(&currencies).into_iter();
        let columns = labels.map(|label| (label, 16.0)).collect();
        let mut sheet = SheetWriter::begin(&mut workbook, "Summary", columns)?;
        for (group, figures) in &self.rows {
            let mut row = self.group_values(group);
            row.extend(figure_values(figures, &currencies));
            sheet.add(row)?;
        }
        let mut total = vec![Value::Text("Total".to_owned())];
        total.resize(1 + self.by.len(), Value::Empty);
        total.extend(figure_values(&self.total, &currencies));
        sheet.add(total)?;
        let period = [("from", self.from), ("to", self.to)];
        let lines =
            period.map(|(name, at)| (name.to_owned(), Value::Time(at.with_timezone(&self.zone))));
        add_about(&mut workbook, self.as_of, self.zone, lines)?;
        workbook.save_to_buffer().map_err(into_io)
    }

    /// The labels of a workbook.
    fn labels(&self, currencies: &BTreeSet<String>) -> Vec<String> {
        let interval = match self.interval {
            Interval::Day => "Day",
            Interval::Week => "Week from",
            Interval::Month => "Month from",
        };
        let by = self.by.iter().map(|dimension| match dimension {
            Dimension::Account => "Account",
            Dimension::Kind => "Kind",
            Dimension::Campaign => "Campaign",
        });
        let states = DeliveryState::ALL.map(|state| format!("Now {}", state.label()));
        let costs = currencies.iter().map(|currency| match currency.as_str() {
            "" => "Cost (no currency)".to_owned(),
            currency => format!("Cost {currency}"),
        });
        let fixed = std::iter::once(interval).chain(by).chain(FIGURE_LABELS);
        fixed
            .map(ToOwned::to_owned)
            .chain(costs)
            .chain(states)
            .collect()
    }

    /// The cells of the group in a row of a workbook.
    fn group_values(&self, group: &SummaryGroup) -> Vec<Value> {
        let named = |text: &str, without: &str| match text {
            "" => without.to_owned(),
            text => text.to_owned(),
        };
        let day = group.day.map(|day| day.to_string()).unwrap_or_default();
        let by = self.by.iter().map(|dimension| match dimension {
            Dimension::Account => group
                .account
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            Dimension::Kind => named(group.kind.unwrap_or_default(), "unknown kind"),
            Dimension::Campaign => named(
                group.campaign.as_deref().unwrap_or_default(),
                "outside campaigns",
            ),
        });
        std::iter::once(day).chain(by).map(Value::Text).collect()
    }

    fn currencies(&self) -> BTreeSet<String> {
        let totals = self.rows.values().chain([&self.total]);
        totals
            .flat_map(|figures| figures.cost.totals.iter())
            .map(|(currency, _)| currency.to_owned())
            .collect()
    }

    /// The cells of a row, in the order of the columns of CSV.
    fn values(
        &self,
        group: &SummaryGroup,
        figures: &SummaryFigures,
        currencies: &BTreeSet<String>,
    ) -> Vec<Value> {
        let optional_text = |text: Option<String>| text.map_or(Value::Empty, Value::Text);
        let count = Value::Count;
        let mut values = vec![
            optional_text(group.day.map(|day| day.to_string())),
            optional_text(group.account.as_ref().map(ToString::to_string)),
            optional_text(group.kind.map(str::to_owned)),
            count(figures.states.messages()),
        ];
        values.extend(DeliveryState::ALL.map(|state| count(figures.states.get(state))));
        values.extend([count(figures.observed), count(figures.dry_run)]);
        values.extend([Stage::Sent, Stage::Delivered, Stage::Read].map(|stage| {
            let median = figures.median(stage);
            let millis = median.and_then(|millis| millis.round().to_i64());
            millis.map_or(Value::Empty, count)
        }));
        let cost = &figures.cost;
        values.extend([
            optional_text(Some(
                self.as_of.to_rfc3339_opts(SecondsFormat::Millis, true),
            )),
            optional_text(Some(self.zone.name().to_owned())),
            optional_text(Some(self.interval.as_str().to_owned())),
            optional_text(group.campaign.clone()),
            count(figures.states.attempted()),
            count(figures.delivered()),
            count(figures.read()),
            count(cost.deliveries - cost.free - cost.unknown),
            count(cost.free),
            count(cost.unknown),
            count(figures.states.failed_in_queue()),
        ]);
        let sum = |currency: &String| cost.totals.get(currency).normalize();
        values.extend(
            currencies
                .iter()
                .map(|currency| Value::Amount(sum(currency))),
        );
        values
    }
}

/// The cells after those of the group, in the order of the labels.
fn figure_values(figures: &SummaryFigures, currencies: &BTreeSet<String>) -> Vec<Value> {
    let (states, cost) = (&figures.states, &figures.cost);
    let seconds = |stage| {
        let seconds = figures.median(stage).map(|millis| millis / 1_000.0);
        let seconds = seconds.and_then(Decimal::from_f64);
        seconds.map_or(Value::Empty, |seconds| Value::Amount(seconds.round_dp(2)))
    };
    let mut values: Vec<Value> = [
        states.messages(),
        states.attempted(),
        figures.delivered(),
        figures.read(),
        states.get(DeliveryState::Failed),
        states.failed_in_queue(),
    ]
    .map(Value::Count)
    .to_vec();
    values.extend([Stage::Sent, Stage::Delivered, Stage::Read].map(seconds));
    let counts = [
        cost.deliveries - cost.free - cost.unknown,
        cost.free,
        cost.unknown,
        figures.observed,
    ];
    values.extend(counts.map(Value::Count));
    let sum = |currency: &String| Value::Amount(cost.totals.get(currency).normalize());
    values.extend(currencies.iter().map(sum));
    values.extend(DeliveryState::ALL.map(|state| Value::Count(states.get(state))));
    values
}

/// The names of the columns of CSV. `delivered` counts messages whose state is delivered now, without
/// those that were read since; `delivered_or_read` counts both.
fn columns(currencies: &BTreeSet<String>) -> Vec<String> {
    let states = DeliveryState::ALL.into_iter().map(DeliveryState::as_str);
    let fixed = FIRST_COLUMNS
        .into_iter()
        .chain(states)
        .chain(LAST_COLUMNS)
        .map(ToOwned::to_owned);
    let costs = currencies.iter().map(|currency| match currency.as_str() {
        "" => "cost".to_owned(),
        currency => format!("cost_{currency}"),
    });
    fixed.chain(costs).collect()
}

fn text(value: Value) -> String {
    match value {
        Value::Empty => String::new(),
        Value::Text(text) => text,
        Value::Flag(flag) => flag.to_string(),
        Value::Count(number) => number.to_string(),
        Value::Amount(amount) => Decimal::to_string(&amount),
        Value::Time(at) => at.to_rfc3339_opts(SecondsFormat::Millis, true),
    }
}
