//! The state of the message list in its URL: parsed from the query string, written into links.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use form_urlencoded::Serializer;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;
use crate::domain::scope::Visibility;
use crate::reporting::export::ExportFileFormat;
use crate::store::messages::{Cursor, MessageFilter};
use crate::web::api::filter;
use crate::web::error::FieldError;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageListUrl {
    /// Empty for all.
    pub states: Vec<DeliveryState>,
    pub account: Option<AccountId>,
    pub provider: Option<ProviderId>,
    pub kind: Option<MediaKind>,
    /// The search box: UUID, wamid, phone or the beginning of a reference.
    pub search: Option<String>,
    pub since: Option<NaiveDate>,
    /// The whole day is included.
    pub until: Option<NaiveDate>,
    pub code: Option<String>,
    pub class: Option<FailureClass>,
    pub origin: Option<Origin>,
    /// Delivered and reported as failed.
    pub conflict: bool,
    pub overdue: bool,
    /// `true`: only messages that were sent again; `false`: only others.
    pub resent: Option<bool>,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
    /// Parameters that could not be parsed, as `name=value`. They filter nothing; the page lists
    /// them.
    pub ignored: Vec<String>,
}

impl MessageListUrl {
    /// Empty values count as absent: a form sends its empty fields.
    pub fn parse(query: &str) -> Self {
        let mut url = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim();
            if !value.is_empty() && url.set_parameter(&name, value).is_none() {
                url.ignored.push(format!("{name}={value}"));
            }
        }
        url
    }

    fn set_parameter(&mut self, name: &str, value: &str) -> Option<()> {
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
            // Sent by the buttons of the export form.
            "format" => {}
            _ => return None,
        }
        Some(())
    }

    pub fn is_filtered(&self) -> bool {
        *self
            != Self {
                cursor: self.cursor,
                ignored: self.ignored.clone(),
                ..Self::default()
            }
    }

    pub fn href(&self) -> String {
        let mut pairs = self.shared_pairs();
        pairs.extend(self.since.map(|day| ("since", day.to_string())));
        pairs.extend(self.until.map(|day| ("until", day.to_string())));
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

    /// The same filters with other states, first page.
    #[must_use]
    pub fn with_states(&self, states: &[DeliveryState]) -> Self {
        Self {
            states: states.to_vec(),
            cursor: None,
            ..self.clone()
        }
    }

    pub fn states_text(&self) -> Option<String> {
        let states: Vec<&str> = self.states.iter().map(|state| state.as_str()).collect();
        (!states.is_empty()).then(|| states.join(","))
    }

    /// URL of the export of exactly these rows.
    pub fn export(&self, format: ExportFileFormat, zone: Tz) -> String {
        with_query(
            &format!("/api/v1/reports/messages.{}", format.extension()),
            &self.api_pairs(zone),
        )
    }

    /// Parses with the API's own parser, so that list and export select the same rows.
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

    /// The API's parameters for these filters. Days become instants in the time zone of the
    /// reports.
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

    pub fn created_after(&self, zone: Tz) -> Option<DateTime<Utc>> {
        self.since.and_then(|day| start_of_day(day, zone))
    }

    /// The first instant after `until`.
    pub fn created_before(&self, zone: Tz) -> Option<DateTime<Utc>> {
        self.until
            .and_then(|day| day.checked_add_days(Days::new(1)))
            .and_then(|day| start_of_day(day, zone))
    }

    fn shared_pairs(&self) -> Vec<(&'static str, String)> {
        let flag = |set: bool| set.then(|| "true".to_owned());
        [
            ("state", self.states_text()),
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

/// Percent-encoded; without `?` if there are no pairs.
pub fn with_query(path: &str, pairs: &[(&'static str, String)]) -> String {
    if pairs.is_empty() {
        return path.to_owned();
    }
    let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{path}?{query}")
}

fn parse_states(states: &str) -> Option<Vec<DeliveryState>> {
    states
        .split(',')
        .map(|word| word.trim().parse().ok())
        .collect()
}

/// Milliseconds and id of the last message shown.
fn format_cursor(cursor: Cursor) -> String {
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
        let query = "state=failed,uncertain&account=kaleyra-in&kind=video&q=%2B91+99&code=131053&overdue=true&since=2026-11-01&cursor=1763647422123.019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f";
        let url = MessageListUrl::parse(query);
        assert!(url.ignored.is_empty() && url.cursor.is_some());
        let page = url.href();
        let again = MessageListUrl::parse(page.split_once('?').unwrap().1);
        assert_eq!(again, url);
    }

    #[test]
    fn empty_fields_filter_nothing_and_unknown_parameters_are_listed() {
        let url = MessageListUrl::parse("q=&account=&state=");
        assert!(!url.is_filtered());
        let url = MessageListUrl::parse("state=lost&colour=red");
        assert_eq!(url.ignored, ["state=lost", "colour=red"]);
    }

    #[test]
    fn an_export_covers_whole_days_of_the_report_zone() {
        let url = MessageListUrl::parse("since=2026-11-20&until=2026-11-20");
        assert_eq!(
            url.export(ExportFileFormat::Csv, chrono_tz::Asia::Kolkata),
            "/api/v1/reports/messages.csv?created_after=2026-11-19T18%3A30%3A00Z&created_before=2026-11-20T18%3A30%3A00Z"
        );
    }
}
