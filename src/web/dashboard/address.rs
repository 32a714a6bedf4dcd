//! The state of a list page as its address carries it: parsed from a query string, written back into links.
//!
//! What the filters select is the store's business.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use form_urlencoded::Serializer;

use crate::domain::access::Visibility;
use crate::domain::delivery::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;
use crate::store::messages::{Cursor, MessageFilter};
use crate::web::api::filter;
use crate::web::error::FieldError;

/// The filters of `/messages`, `/reports` and the exports behind them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessagesAddress {
    /// Only these states; empty for all.
    pub states: Vec<DeliveryState>,
    /// Only this account.
    pub account: Option<AccountId>,
    /// Only this provider.
    pub provider: Option<ProviderId>,
    /// Only this kind.
    pub kind: Option<MediaKind>,
    /// The search box: UUID, wamid, phone or the beginning of a reference.
    pub search: Option<String>,
    /// Created on this day or later.
    pub since: Option<NaiveDate>,
    /// Created on this day or earlier.
    pub until: Option<NaiveDate>,
    /// Only failures with this code.
    pub code: Option<String>,
    /// Only failures of this class.
    pub class: Option<FailureClass>,
    /// Only messages of this origin.
    pub origin: Option<Origin>,
    /// Only messages that are on the phone and reported as failed.
    pub conflict: bool,
    /// Only messages of which nothing was heard in time.
    pub overdue: bool,
    /// Only messages that were sent again, or only others.
    pub resent: Option<bool>,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
    /// Parameters that could not be understood, `name=value`; they filter nothing and the page says so.
    pub ignored: Vec<String>,
}

impl MessagesAddress {
    /// Reads a query string. Empty values are absent ones: an untouched form sends them.
    pub fn parse(query: &str) -> Self {
        let mut address = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim();
            if !value.is_empty() && address.take(&name, value).is_none() {
                address.ignored.push(format!("{name}={value}"));
            }
        }
        address
    }

    fn take(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "state" => self.states = parse_states(value)?,
            "account" => self.account = Some(value.parse().ok()?),
            "provider" => self.provider = Some(value.parse().ok()?),
            "kind" => self.kind = Some(value.parse().ok()?),
            "q" => self.search = Some(value.to_owned()),
            "since" => self.since = Some(value.parse().ok()?),
            "until" => self.until = Some(value.parse().ok()?),
            "code" => self.code = Some(value.to_owned()),
            "class" => self.class = Some(value.parse().ok()?),
            "origin" => self.origin = Some(value.parse().ok()?),
            "conflict" => self.conflict = value.parse().ok()?,
            "overdue" => self.overdue = value.parse().ok()?,
            "resent" => self.resent = Some(value.parse().ok()?),
            "cursor" => self.cursor = Some(parse_cursor(value)?),
            // The button of the export form.
            "format" => {}
            _ => return None,
        }
        Some(())
    }

    /// Whether anything at all is filtered.
    pub fn is_filtered(&self) -> bool {
        *self
            != Self {
                cursor: self.cursor,
                ignored: self.ignored.clone(),
                ..Self::default()
            }
    }

    /// `/messages` with these filters.
    pub fn page(&self) -> String {
        let mut pairs = self.shared_pairs();
        pairs.extend(self.since.map(|day| ("since", day.to_string())));
        pairs.extend(self.until.map(|day| ("until", day.to_string())));
        pairs.extend(self.cursor.map(|cursor| ("cursor", write_cursor(cursor))));
        with_query("/messages", &pairs)
    }

    /// The same filters from the first row on.
    #[must_use]
    pub fn newest(&self) -> Self {
        Self {
            cursor: None,
            ..self.clone()
        }
    }

    /// The same filters from `cursor` on.
    #[must_use]
    pub fn older(&self, cursor: Cursor) -> Self {
        Self {
            cursor: Some(cursor),
            ..self.clone()
        }
    }

    /// The same filters with other states, from the first row on.
    #[must_use]
    pub fn with_states(&self, states: &[DeliveryState]) -> Self {
        Self {
            states: states.to_vec(),
            cursor: None,
            ..self.clone()
        }
    }

    /// The states as the address writes them.
    pub fn state_words(&self) -> Option<String> {
        let words: Vec<&str> = self.states.iter().map(|state| state.as_str()).collect();
        (!words.is_empty()).then(|| words.join(","))
    }

    /// The export of exactly these rows.
    pub fn export(&self, format: ExportFormat, zone: Tz) -> String {
        with_query(
            &format!("/api/v1/reports/messages.{}", format.as_str()),
            &self.api_pairs(zone),
        )
    }

    /// What to ask the store for: read by the API's own reader, so that list and export select the same rows.
    pub fn filter(
        &self,
        zone: Tz,
        viewer: Visibility,
        now: DateTime<Utc>,
    ) -> Result<MessageFilter, Vec<FieldError>> {
        let pairs: Vec<(String, String)> = self
            .api_pairs(zone)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Ok(filter::parse_list(&pairs, viewer, now)?.filter)
    }

    /// The parameters of the API for these filters. Days become instants by the zone in which reports count days.
    fn api_pairs(&self, zone: Tz) -> Vec<(&'static str, String)> {
        let mut pairs = self.shared_pairs();
        pairs.extend(
            self.created_after(zone)
                .map(|at| ("created_after", instant(at))),
        );
        pairs.extend(
            self.created_before(zone)
                .map(|at| ("created_before", instant(at))),
        );
        pairs
    }

    /// The first instant of `since` in `zone`.
    pub fn created_after(&self, zone: Tz) -> Option<DateTime<Utc>> {
        self.since.and_then(|day| day_begins(day, zone))
    }

    /// The first instant after `until` in `zone`.
    pub fn created_before(&self, zone: Tz) -> Option<DateTime<Utc>> {
        self.until
            .and_then(|day| day.checked_add_days(Days::new(1)))
            .and_then(|day| day_begins(day, zone))
    }

    fn shared_pairs(&self) -> Vec<(&'static str, String)> {
        let flag = |set: bool| set.then(|| "true".to_owned());
        [
            ("state", self.state_words()),
            ("account", self.account.as_ref().map(AccountId::to_string)),
            (
                "provider",
                self.provider.map(|provider| provider.to_string()),
            ),
            ("kind", self.kind.map(|kind| kind.to_string())),
            ("q", self.search.clone()),
            ("code", self.code.clone()),
            ("class", self.class.map(|class| class.to_string())),
            ("origin", self.origin.map(|origin| origin.to_string())),
            ("conflict", flag(self.conflict)),
            ("overdue", flag(self.overdue)),
            ("resent", self.resent.map(|resent| resent.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// A format in which rows leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExportFormat {
    /// Comma-separated values.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

impl ExportFormat {
    /// Reads the file extension.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Csv, Self::Ndjson]
            .into_iter()
            .find(|format| format.as_str() == word)
    }

    /// The file extension.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }
}

/// A path with its query, percent-encoded; without `?` where there is nothing to ask.
pub fn with_query(path: &str, pairs: &[(&'static str, String)]) -> String {
    if pairs.is_empty() {
        return path.to_owned();
    }
    let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{path}?{query}")
}

fn parse_states(words: &str) -> Option<Vec<DeliveryState>> {
    words
        .split(',')
        .map(|word| word.trim().parse().ok())
        .collect()
}

/// Milliseconds and id of the last message shown.
fn write_cursor(cursor: Cursor) -> String {
    format!("{}.{}", cursor.created_at.timestamp_millis(), cursor.id)
}

fn parse_cursor(text: &str) -> Option<Cursor> {
    let (millis, id) = text.split_once('.')?;
    Some(Cursor {
        created_at: DateTime::from_timestamp_millis(millis.parse().ok()?)?,
        id: id.parse().ok()?,
    })
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Midnight, or where clocks skip it the first instant after.
pub(super) fn day_begins(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
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
    fn an_address_survives_being_written_and_read() {
        let query = "state=failed,uncertain&account=kaleyra-in&kind=video&q=%2B91+99&code=131053&overdue=true&since=2026-11-01&cursor=1763647422123.019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f";
        let address = MessagesAddress::parse(query);
        assert!(address.ignored.is_empty() && address.cursor.is_some());
        let page = address.page();
        let again = MessagesAddress::parse(page.split_once('?').unwrap().1);
        assert_eq!(again, address);
    }

    #[test]
    fn an_untouched_form_filters_nothing_and_nonsense_is_named() {
        let address = MessagesAddress::parse("q=&account=&state=");
        assert!(!address.is_filtered());
        let address = MessagesAddress::parse("state=lost&colour=red");
        assert_eq!(address.ignored, ["state=lost", "colour=red"]);
    }

    #[test]
    fn an_export_covers_whole_days_of_the_report_zone() {
        let address = MessagesAddress::parse("since=2026-11-20&until=2026-11-20");
        assert_eq!(
            address.export(ExportFormat::Csv, chrono_tz::Asia::Kolkata),
            "/api/v1/reports/messages.csv?created_after=2026-11-19T18%3A30%3A00Z&created_before=2026-11-20T18%3A30%3A00Z"
        );
    }
}
