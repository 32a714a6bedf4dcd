//! The state of the message list in its URL: parsed from the query string, written into links.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::domain::delivery_state::DeliveryState;
use crate::reporting::export::ExportFormat;
use crate::reporting::filter_fields::{FILTER_FIELDS, FilterField, print_fields};
use crate::reporting::message_query::MessageQuery;
use crate::store::messages::{Cursor, MessageOrder};
use crate::web::dashboard::message_columns::MessageColumn;
use crate::web::dashboard::page_url::{read_query, with_query};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageListUrl {
    pub query: MessageQuery,
    /// The first day, in the zone of the page. Days are those by which statistics count messages.
    pub since: Option<NaiveDate>,
    /// The last day, which is included.
    pub until: Option<NaiveDate>,
    pub sort: MessageOrder,
    /// Empty for the default columns.
    pub columns: Vec<MessageColumn>,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
    /// Parameters that could not be parsed, as `name=value`. They filter nothing; the page lists
    /// them.
    pub ignored: Vec<String>,
}

impl MessageListUrl {
    pub fn parse(query: &str) -> Self {
        let mut url = Self::default();
        url.ignored = read_query(query, |name, value| url.set_parameter(name, value));
        url
    }

    fn set_parameter(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "since" => self.since = Some(value.parse().ok()?),
            "until" => self.until = Some(value.parse().ok()?),
            "sort" => self.sort = value.parse().ok()?,
            "column" => {
                for word in value.split(',') {
                    let column = word.trim().parse().ok()?;
                    if !self.columns.contains(&column) {
                        self.columns.push(column);
                    }
                }
            }
            "cursor" => self.cursor = Some(parse_cursor(value)?),
            // Sent by the buttons of the export form.
            "format" => {}
            name => {
                let field = FILTER_FIELDS.into_iter().find(|field| field.name == name)?;
                self.query = with_field(&self.query, field, value)?;
            }
        }
        Some(())
    }

    pub fn is_filtered(&self) -> bool {
        *self
            != Self {
                sort: self.sort,
                columns: self.columns.clone(),
                cursor: self.cursor,
                ignored: self.ignored.clone(),
                ..Self::default()
            }
    }

    /// Names and values of the filters.
    pub fn filter_pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = print_fields(&self.query);
        pairs.extend(self.since.map(|day| ("since", day.to_string())));
        pairs.extend(self.until.map(|day| ("until", day.to_string())));
        pairs
    }

    /// Names and values of order and columns, which filter nothing.
    pub fn view_pairs(&self) -> Vec<(&'static str, String)> {
        let changed = self.sort == MessageOrder::Changed;
        let sort = changed.then(|| ("sort", self.sort.as_str().to_owned()));
        let words: Vec<&str> = self.columns.iter().map(|column| column.as_str()).collect();
        let columns = (!words.is_empty()).then(|| ("column", words.join(",")));
        sort.into_iter().chain(columns).collect()
    }

    /// The order of the list: by creation if the filter has a latest creation time.
    pub fn order(&self) -> MessageOrder {
        let ends = self.until.is_some() || self.query.filter.created_before.is_some();
        if ends {
            MessageOrder::Created
        } else {
            self.sort
        }
    }

    /// The same filters in another order, first page.
    #[must_use]
    pub fn sorted_by(&self, sort: MessageOrder) -> Self {
        Self {
            sort,
            ..self.newest()
        }
    }

    /// Without `?`.
    pub fn query_string(&self) -> String {
        let href = self.href();
        let query = href.split_once('?').map(|(_, query)| query.to_owned());
        query.unwrap_or_default()
    }

    pub fn href(&self) -> String {
        let mut pairs = self.filter_pairs();
        pairs.extend(self.view_pairs());
        pairs.extend(self.cursor.map(|cursor| ("cursor", format_cursor(cursor))));
        with_query("/messages", &pairs)
    }

    /// The same filters, first page.
    #[must_use]
    pub fn newest(&self) -> Self {
        Self {
            cursor: None,
            ..self.clone()
        }
    }

    /// The same filters, the page after `cursor`.
    #[must_use]
    pub fn older(&self, cursor: Cursor) -> Self {
        Self {
            cursor: Some(cursor),
            ..self.clone()
        }
    }

    /// Other filters, first page.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut MessageQuery)) -> Self {
        let mut url = self.newest();
        change(&mut url.query);
        url
    }

    #[must_use]
    pub fn with_states(&self, states: &[DeliveryState]) -> Self {
        self.with(|query| query.filter.states = states.to_vec())
    }

    /// URL of the export of exactly these rows. A CSV file from a page is for Excel, which needs the
    /// byte order mark.
    pub fn export(&self, format: ExportFormat, zone: Tz) -> String {
        let mut fields = print_fields(&self.message_query(zone));
        if format == ExportFormat::Csv {
            fields.push(("bom", "1".to_owned()));
        }
        let path = format!("/api/v1/reports/messages.{}", format.as_str());
        with_query(&path, &fields)
    }

    /// Converts the days to instants in `zone`. They filter by the time that statistics count, so that a
    /// list has as many rows as the number that links to it.
    pub fn message_query(&self, zone: Tz) -> MessageQuery {
        let mut query = self.query.clone();
        let filter = &mut query.filter;
        let since = self.since.and_then(|day| start_of_day(day, zone));
        filter.counted_after = filter.counted_after.max(since);
        // The first instant after `until`.
        let next_day = self
            .until
            .and_then(|day| day.checked_add_days(Days::new(1)));
        let end = next_day.and_then(|day| start_of_day(day, zone));
        let ends = filter.counted_before.into_iter().chain(end);
        filter.counted_before = ends.min();
        query
    }
}

/// `None` if a part of the value is invalid.
fn with_field(query: &MessageQuery, field: FilterField, value: &str) -> Option<MessageQuery> {
    let mut query = query.clone();
    for value in field.split(value) {
        (field.parse)(&mut query, value).ok()?;
    }
    Some(query)
}

/// Milliseconds and id of the last message shown.
fn format_cursor(cursor: Cursor) -> String {
    format!("{}.{}", cursor.at.timestamp_millis(), cursor.id)
}

fn parse_cursor(text: &str) -> Option<Cursor> {
    let (millis, id) = text.split_once('.')?;
    Some(Cursor {
        at: DateTime::from_timestamp_millis(millis.parse().ok()?)?,
        id: id.parse().ok()?,
    })
}

/// Midnight, or where the clock skips midnight, the first instant after it.
pub(super) fn start_of_day(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let midnight = day.and_time(NaiveTime::MIN);
    (0..=3)
        .filter_map(|hours| midnight.checked_add_signed(chrono::TimeDelta::hours(hours)))
        .find_map(|at| zone.from_local_datetime(&at).earliest())
        .map(|at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_round_trips() {
        let query = "state=failed,uncertain&account=kaleyra-in&kind=video&q=%2B91+99&code=131053&overdue=true&since=2026-11-01&sort=changed&column=kind,created&cursor=1763647422123.019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f";
        let url = MessageListUrl::parse(query);
        assert!(url.ignored.is_empty() && url.cursor.is_some());
        let page = url.href();
        let again = MessageListUrl::parse(page.split_once('?').unwrap().1);
        assert_eq!(again, url);
    }

    #[test]
    fn a_list_with_an_end_of_creation_stays_in_the_order_of_creation() {
        for (query, order) in [
            ("sort=changed", MessageOrder::Changed),
            ("sort=changed&since=2026-11-20", MessageOrder::Changed),
            ("sort=changed&until=2026-11-20", MessageOrder::Created),
            (
                "sort=changed&created_before=2026-11-20T00:00:00Z",
                MessageOrder::Created,
            ),
        ] {
            assert_eq!(MessageListUrl::parse(query).order(), order, "{query}");
        }
    }

    #[test]
    fn order_and_columns_filter_nothing() {
        let url = MessageListUrl::parse("sort=changed&column=kind&column=sender");
        assert!(!url.is_filtered() && url.ignored.is_empty());
        assert_eq!(url.href(), "/messages?sort=changed&column=kind%2Csender");
    }

    #[test]
    fn empty_fields_filter_nothing_and_unknown_parameters_are_listed() {
        let url = MessageListUrl::parse("q=&account=&state=");
        assert!(!url.is_filtered());
        let url = MessageListUrl::parse("state=lost&colour=red");
        assert_eq!(url.ignored, ["state=lost", "colour=red"]);
        let url = MessageListUrl::parse("state=sent,lost&origin=dry");
        assert!(!url.is_filtered());
        assert_eq!(url.ignored, ["state=sent,lost", "origin=dry"]);
    }

    #[test]
    fn days_and_instants_both_limit_the_list() {
        let url = MessageListUrl::parse(
            "since=2026-11-20&counted_after=2026-11-20T06:00:00Z&until=2026-11-20&counted_before=2026-12-01T00:00:00Z",
        );
        let filter = url.message_query(Tz::UTC).filter;
        assert_eq!(
            (
                filter.counted_after.unwrap().to_rfc3339(),
                filter.counted_before.unwrap().to_rfc3339()
            ),
            (
                "2026-11-20T06:00:00+00:00".to_owned(),
                "2026-11-21T00:00:00+00:00".to_owned()
            )
        );
    }

    #[test]
    fn an_export_covers_whole_days_of_the_report_zone() {
        let url = MessageListUrl::parse("since=2026-11-20&until=2026-11-20");
        assert_eq!(
            url.export(ExportFormat::Csv, chrono_tz::Asia::Kolkata),
            "/api/v1/reports/messages.csv?counted_after=2026-11-19T18%3A30%3A00Z&counted_before=2026-11-20T18%3A30%3A00Z&bom=1"
        );
    }
}
