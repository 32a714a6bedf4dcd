//! The filters of messages as a query writes them: read once for lists, exports and the command line.
//!
//! What they select is the store's business.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::delivery::export::{ByteOrderMark, Export, Format};
use crate::domain::access::Visibility;
use crate::domain::delivery::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::{AccountId, ProviderMessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;
use crate::store::messages::{Cursor, MessageFilter};
use crate::web::api::search::{parse_search, phone_digits};
use crate::web::error::{ApiError, FieldError};

/// Rows of a page when nobody says how many.
pub const DEFAULT_LIMIT: usize = 50;
/// The most rows of a page.
pub const LIMIT: usize = 500;
/// Bytes of the filters' fingerprint inside a cursor.
const FINGERPRINT: usize = 8;

/// What a list of messages was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListQuery {
    /// Which messages.
    pub filter: MessageFilter,
    /// Rows of a page.
    pub limit: usize,
    /// Where the page starts.
    pub after: Option<Cursor>,
    fingerprint: [u8; FINGERPRINT],
}

impl ListQuery {
    /// The opaque word for where the next page starts; only the same filters accept it.
    pub fn write_cursor(&self, cursor: Cursor) -> String {
        let mut bytes = Vec::with_capacity(8 + 16 + FINGERPRINT);
        bytes.extend_from_slice(&cursor.created_at.timestamp_millis().to_be_bytes());
        bytes.extend_from_slice(cursor.id.uuid().as_bytes());
        bytes.extend_from_slice(&self.fingerprint);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// A query string as names and values.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

impl From<Vec<FieldError>> for ApiError {
    fn from(errors: Vec<FieldError>) -> Self {
        Self::Invalid(errors)
    }
}

/// Reads the query of `GET /messages`: filters, `limit` and `cursor`. Every bad or unknown parameter is named.
pub fn parse_list(
    pairs: &[(String, String)],
    visibility: Visibility,
    now: DateTime<Utc>,
) -> Result<ListQuery, Vec<FieldError>> {
    let mut reading = Reading::new(visibility, now);
    let (mut limit, mut cursor) = (DEFAULT_LIMIT, None);
    reading.take_all(pairs, |name, value| match name {
        "limit" => Some(parse_limit(value).map(|rows| limit = rows)),
        "cursor" => {
            cursor = Some(value.to_owned());
            Some(Ok(()))
        }
        _ => None,
    });
    let fingerprint = reading.fingerprint();
    let after = cursor.and_then(|text| {
        let read = read_cursor(&text, fingerprint);
        if read.is_none() {
            reading.errors.push(FieldError::new(
                "cursor",
                "belongs to no page of these filters",
            ));
        }
        read
    });
    Ok(ListQuery {
        filter: reading.finish()?,
        limit,
        after,
        fingerprint,
    })
}

/// Reads the query of an export: filters, `tz` and, for CSV, `bom`. Every bad or unknown parameter is named.
pub fn parse_export(
    pairs: &[(String, String)],
    format: Format,
    visibility: Visibility,
    now: DateTime<Utc>,
) -> Result<Export, Vec<FieldError>> {
    let mut reading = Reading::new(visibility, now);
    let (mut zone, mut mark) = (Tz::UTC, ByteOrderMark::Absent);
    reading.take_all(pairs, |name, value| match name {
        "tz" => Some(parse_zone(value).map(|given| zone = given)),
        "bom" if format != Format::Csv => Some(Err("is for CSV only".to_owned())),
        "bom" => Some(parse_flag(value).map(|written| {
            if written {
                mark = ByteOrderMark::Written;
            }
        })),
        _ => None,
    });
    Ok(Export {
        filter: reading.finish()?,
        format,
        zone,
        mark,
        visibility,
        now,
    })
}

/// The filters read so far.
struct Reading {
    visibility: Visibility,
    now: DateTime<Utc>,
    filter: MessageFilter,
    /// Every parameter in one spelling, for the cursor.
    normal: BTreeMap<String, String>,
    seen: Vec<String>,
    errors: Vec<FieldError>,
}

impl Reading {
    fn new(visibility: Visibility, now: DateTime<Utc>) -> Self {
        Self {
            visibility,
            now,
            filter: MessageFilter::default(),
            normal: BTreeMap::new(),
            seen: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Reads every pair: `own` first tries the parameters that are no filters.
    fn take_all(
        &mut self,
        pairs: &[(String, String)],
        mut own: impl FnMut(&str, &str) -> Option<Result<(), String>>,
    ) {
        for (name, value) in pairs {
            let value = value.trim();
            let outcome = if name != "state" && self.seen.contains(name) {
                Err("is given twice".to_owned())
            } else if value.is_empty() {
                Err("is empty; leave it out".to_owned())
            } else {
                own(name, value).unwrap_or_else(|| self.take(name, value))
            };
            self.seen.push(name.clone());
            if let Err(message) = outcome {
                self.errors.push(FieldError::new(name.clone(), message));
            }
        }
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        let normal = match name {
            "account" => set(&mut self.filter.account, parse_account(value)?),
            "provider" => set(
                &mut self.filter.provider,
                parse_word(value, ProviderId::ALL, ProviderId::as_str)?,
            ),
            "from" => set(&mut self.filter.sender, format!("+{}", parse_phone(value)?)),
            "state" => self.take_states(value)?,
            "kind" => set(
                &mut self.filter.kind,
                parse_word(value, MediaKind::ALL, MediaKind::as_str)?,
            ),
            "to" => set(&mut self.filter.recipient, parse_phone(value)?),
            "ref" => set(&mut self.filter.reference, value.to_owned()),
            "provider_id" => set(&mut self.filter.provider_id, parse_provider_id(value)?),
            "code" => set(&mut self.filter.code, value.to_owned()),
            "class" => set(
                &mut self.filter.class,
                parse_word(value, FailureClass::ALL, FailureClass::as_str)?,
            ),
            "conflict" => set(&mut self.filter.conflict, parse_flag(value)?),
            "overdue" => self.take_overdue(parse_flag(value)?),
            "origin" => {
                let listed = [Origin::Api, Origin::Observed, Origin::DryRun];
                set(
                    &mut self.filter.origin,
                    parse_word(value, listed, Origin::as_str)?,
                )
            }
            "resent" => set(&mut self.filter.resent, parse_flag(value)?),
            "created_after" => set(&mut self.filter.created_after, parse_instant(value)?),
            "created_before" => set(&mut self.filter.created_before, parse_instant(value)?),
            "q" => {
                self.filter.search =
                    parse_search(value, self.visibility).map_err(|error| error.to_string())?;
                value.to_owned()
            }
            _ => return Err("is not a parameter of this call".to_owned()),
        };
        self.normal.insert(name.to_owned(), normal);
        Ok(())
    }

    fn take_states(&mut self, value: &str) -> Result<String, String> {
        for word in value.split(',') {
            let state = parse_word(word.trim(), DeliveryState::ALL, DeliveryState::as_str)?;
            self.filter.states.push(state);
        }
        self.filter.states.sort_unstable();
        self.filter.states.dedup();
        Ok(format!("{:?}", self.filter.states))
    }

    fn take_overdue(&mut self, overdue: bool) -> String {
        if overdue {
            self.filter.overdue_at = Some(self.now);
        } else {
            self.filter.on_time_at = Some(self.now);
        }
        overdue.to_string()
    }

    /// Tells filters apart, whatever their order and spelling.
    fn fingerprint(&self) -> [u8; FINGERPRINT] {
        let mut hash = Sha256::new();
        for (name, value) in &self.normal {
            for text in [name, value] {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
            }
        }
        let mut fingerprint = [0; FINGERPRINT];
        fingerprint.copy_from_slice(&hash.finalize()[..FINGERPRINT]);
        fingerprint
    }

    fn finish(self) -> Result<MessageFilter, Vec<FieldError>> {
        if self.errors.is_empty() {
            Ok(self.filter)
        } else {
            Err(self.errors)
        }
    }
}

/// Sets a filter and gives its one spelling.
fn set<T: std::fmt::Debug>(slot: &mut Option<T>, value: T) -> String {
    let normal = format!("{value:?}");
    *slot = Some(value);
    normal
}

fn read_cursor(text: &str, fingerprint: [u8; FINGERPRINT]) -> Option<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (millis, rest) = bytes.split_first_chunk::<8>()?;
    let (id, bound) = rest.split_first_chunk::<16>()?;
    if bound != fingerprint {
        return None;
    }
    Some(Cursor {
        created_at: DateTime::from_timestamp_millis(i64::from_be_bytes(*millis))?,
        id: Uuid::from_bytes(*id).into(),
    })
}

fn parse_limit(value: &str) -> Result<usize, String> {
    value
        .parse()
        .ok()
        .filter(|rows| (1..=LIMIT).contains(rows))
        .ok_or_else(|| format!("is not a number from 1 to {LIMIT}"))
}

fn parse_word<T: Copy, const N: usize>(
    value: &str,
    all: [T; N],
    as_str: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    all.into_iter()
        .find(|word| as_str(*word) == value)
        .ok_or_else(|| format!("must be one of {}", all.map(as_str).join(", ")))
}

fn parse_account(value: &str) -> Result<AccountId, String> {
    value.parse().map_err(|_| "is not an account id".to_owned())
}

fn parse_flag(value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// The whole number as digits; a `+` arrives as a space where nobody encoded it.
fn parse_phone(value: &str) -> Result<String, String> {
    phone_digits(value)
        .filter(|digits| digits.len() >= 7)
        .ok_or_else(|| "must be a phone number with country code, 7 to 15 digits".to_owned())
}

fn parse_provider_id(value: &str) -> Result<String, String> {
    ProviderMessageId::parse(value)
        .map(|id| id.as_str().to_owned())
        .map_err(|error| error.to_string())
}

fn parse_zone(value: &str) -> Result<Tz, String> {
    value
        .parse()
        .map_err(|_| "must be a time zone such as Asia/Kolkata".to_owned())
}

/// An instant; the `+` of its offset arrives as a space where nobody encoded it.
pub(crate) fn parse_instant(value: &str) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(value)
        .or_else(|_| DateTime::parse_from_rfc3339(&value.replacen(' ', "+", 1)))
        .map(|at| at.to_utc())
        .map_err(|_| "must be an RFC 3339 instant such as 2026-11-20T10:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::MessageId;

    fn now() -> DateTime<Utc> {
        "2026-11-20T10:00:00Z".parse().unwrap()
    }

    fn list(query: &str) -> Result<ListQuery, Vec<FieldError>> {
        parse_list(&pairs(query), Visibility::Full, now())
    }

    #[test]
    fn every_filter_is_read() {
        let query = "account=k&provider=sobot&from=%2B919000000001&state=sent,failed&state=read&kind=image\
            &to=+91%2099701-23456&ref=a&provider_id=wamid.A+B&code=131053&class=media&conflict=false&overdue=true\
            &origin=dry-run&created_after=2026-11-20T00:00:00+05:30&created_before=2026-11-21T00:00:00Z&q=x&limit=7";
        let read = list(query).unwrap();
        let filter = &read.filter;
        assert_eq!(filter.sender.as_deref(), Some("+919000000001"));
        assert_eq!(filter.recipient.as_deref(), Some("919970123456"));
        assert_eq!(filter.provider_id.as_deref(), Some("wamid.A+B"));
        assert_eq!(filter.states.len(), 3);
        assert_eq!(filter.overdue_at, Some(now()));
        assert_eq!(
            filter.created_after.unwrap().to_rfc3339(),
            "2026-11-19T18:30:00+00:00"
        );
        assert_eq!(read.limit, 7);
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let errors = list(
            "colour=red&state=lost&kind=&to=abc&limit=501&created_after=today&account=a&account=b&tz=UTC&origin=provisional",
        )
        .unwrap_err();
        let names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            names,
            [
                "colour",
                "state",
                "kind",
                "to",
                "limit",
                "created_after",
                "account",
                "tz",
                "origin"
            ]
        );
    }

    #[test]
    fn a_cursor_fits_the_same_filters_however_they_are_written() {
        let first = list("state=sent,failed&account=k&overdue=true").unwrap();
        let place = Cursor {
            created_at: now(),
            id: MessageId::new(now()),
        };
        let word = first.write_cursor(place);
        let again = list(&format!(
            "account=k&state=failed&overdue=1&state=sent&limit=2&cursor={word}"
        ));
        assert_eq!(again.unwrap().after, Some(place));
        for query in ["account=k2&state=sent,failed&overdue=true", "account=k", ""] {
            let errors = list(&format!("{query}&cursor={word}")).unwrap_err();
            assert_eq!(errors[0].field, "cursor", "{query}");
        }
        assert_eq!(list("cursor=%00x").unwrap_err()[0].field, "cursor");
    }

    #[test]
    fn a_mark_is_for_csv_only() {
        let query = pairs("bom=1&tz=Asia/Kolkata");
        let csv = parse_export(&query, Format::Csv, Visibility::Full, now()).unwrap();
        assert_eq!(
            (csv.mark, csv.zone),
            (ByteOrderMark::Written, chrono_tz::Asia::Kolkata)
        );
        let refused = parse_export(&query, Format::Ndjson, Visibility::Full, now()).unwrap_err();
        assert_eq!(refused[0].field, "bom");
    }
}
