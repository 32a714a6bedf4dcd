//! The filters of messages as a query writes them: read once for lists, exports and the command line.
//!
//! How parameters are taken is `parameters`' matter, what they select is the store's business.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::{AccountId, ProviderMessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;
use crate::domain::rfc3339;
use crate::domain::scope::Visibility;
use crate::reporting::export::{ByteOrderMark, ExportFileFormat, ExportRequest};
use crate::store::messages::{Cursor, MessageFilter};
pub use crate::web::api::parameters::pairs;
use crate::web::api::parameters::{
    ACCOUNT, Fingerprint, PageParameters, Parameters, QueryParameter, query_parameters,
};
use crate::reporting::search_text::{parse_search, phone_digits};
use crate::web::error::FieldError;

query_parameters!(
    FilterParameters,
    [
        ACCOUNT,
        QueryParameter::new("provider", "sobot, kaleyra, zixflow or lancepilot."),
        QueryParameter::new("from", "The business number."),
        QueryParameter::new(
            "state",
            "One state, or several with commas: queued, sending, uncertain, submitted, sent, delivered, read, played, failed, cancelled."
        ),
        QueryParameter::new("kind", "image or video."),
        QueryParameter::new("to", "The customer's whole number."),
        QueryParameter::new(
            "ref",
            "Any of the three references, or the client reference, whole."
        ),
        QueryParameter::new("provider_id", "Any id that the provider uses."),
        QueryParameter::new("code", "The code of the failure."),
        QueryParameter::new(
            "class",
            "The class of the failure: recipient, media, window, policy, account, rate, provider, expired, unknown."
        ),
        QueryParameter::new("conflict", "true: delivered, and also reported as failed."),
        QueryParameter::new(
            "overdue",
            "true: submitted, and no receipt within the account's deadline."
        ),
        QueryParameter::new("origin", "api, observed or dry-run."),
        QueryParameter::new(
            "resent",
            "true: sent again as a new message; false: not. With false, a list of problems equals its count."
        ),
        QueryParameter::new("created_after", "An RFC 3339 instant, inclusive."),
        QueryParameter::new("created_before", "An RFC 3339 instant, exclusive."),
        QueryParameter::new(
            "q",
            "Search: our id, an id of a provider, a phone number (whole, its beginning or its last 7 or more digits; whole only without `operate`), the beginning of a reference."
        ),
    ]
);

query_parameters!(
    ZoneParameter,
    [QueryParameter::new(
        "tz",
        "Zone of the times, such as Asia/Kolkata; default UTC."
    )]
);

query_parameters!(
    MarkParameter,
    [QueryParameter::new(
        "bom",
        "1: start with a byte order mark, which Excel needs to detect UTF-8."
    )]
);

/// What a list of messages was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListQuery {
    /// Which messages.
    pub filter: MessageFilter,
    /// Rows of a page.
    pub limit: usize,
    /// Where the page starts.
    pub after: Option<Cursor>,
    fingerprint: Fingerprint,
}

impl ListQuery {
    /// The opaque word for where the next page starts; only the same filters accept it.
    pub fn write_cursor(&self, cursor: Cursor) -> String {
        self.fingerprint.write_cursor(&write_place(cursor))
    }
}

/// Reads the query of `GET /messages`: filters, `limit` and `cursor`. Every bad or unknown parameter is named.
pub fn parse_list(
    pairs: &[(String, String)],
    visibility: Visibility,
    now: DateTime<Utc>,
) -> Result<ListQuery, Vec<FieldError>> {
    let mut parameters = Parameters::read(pairs, &[FilterParameters::LIST, PageParameters::LIST]);
    let filter = take_filter(&mut parameters, visibility, now);
    let query = ListQuery {
        filter,
        limit: parameters.limit(),
        after: parameters.cursor(read_place),
        fingerprint: parameters.fingerprint(),
    };
    parameters.finish(query)
}

/// Reads the query of an export: filters, `tz` and, for CSV, `bom`. Every bad or unknown parameter is named.
pub fn parse_export(
    pairs: &[(String, String)],
    format: ExportFileFormat,
    visibility: Visibility,
    now: DateTime<Utc>,
) -> Result<ExportRequest, Vec<FieldError>> {
    let mut parameters = Parameters::read(
        pairs,
        &[
            FilterParameters::LIST,
            ZoneParameter::LIST,
            MarkParameter::LIST,
        ],
    );
    let filter = take_filter(&mut parameters, visibility, now);
    let zone = parameters.parse_with("tz", parse_zone);
    let mark = parameters.parse_with("bom", |text| match format {
        ExportFileFormat::Csv => parse_mark(text),
        ExportFileFormat::Ndjson => Err("is for CSV only".to_owned()),
    });
    parameters.finish(ExportRequest {
        filter,
        format,
        zone: zone.unwrap_or(Tz::UTC),
        mark: mark.unwrap_or(ByteOrderMark::Absent),
        visibility,
        now,
    })
}

fn take_filter(
    parameters: &mut Parameters,
    visibility: Visibility,
    now: DateTime<Utc>,
) -> MessageFilter {
    let overdue = parameters.parse_with("overdue", parse_flag);
    let listed = [Origin::Api, Origin::Observed, Origin::DryRun];
    MessageFilter {
        account: parameters.parse_with("account", parse_account),
        provider: parameters.parse_with("provider", |word| {
            parse_word(word, ProviderId::ALL, ProviderId::as_str)
        }),
        sender: parameters
            .parse_with("from", parse_phone)
            .map(|digits| format!("+{digits}")),
        states: parameters.parse_words("state", |word| {
            parse_word(word, DeliveryState::ALL, DeliveryState::as_str)
        }),
        kind: parameters.parse_with("kind", |word| {
            parse_word(word, MediaKind::ALL, MediaKind::as_str)
        }),
        recipient: parameters.parse_with("to", parse_phone),
        reference: parameters.parse("ref"),
        provider_id: parameters.parse_with("provider_id", parse_provider_id),
        code: parameters.parse("code"),
        class: parameters.parse_with("class", |word| {
            parse_word(word, FailureClass::ALL, FailureClass::as_str)
        }),
        conflict: parameters.parse_with("conflict", parse_flag),
        overdue_at: (overdue == Some(true)).then_some(now),
        on_time_at: (overdue == Some(false)).then_some(now),
        origin: parameters.parse_with("origin", |word| parse_word(word, listed, Origin::as_str)),
        resent: parameters.parse_with("resent", parse_flag),
        put_aside: None,
        created_after: parameters.parse_with("created_after", parse_instant),
        created_before: parameters.parse_with("created_before", parse_instant),
        search: parameters
            .parse_with("q", |text| {
                parse_search(text, visibility).map_err(|error| error.to_string())
            })
            .unwrap_or_default(),
    }
}

/// Where a page of messages ended, as a cursor holds it.
pub(crate) fn write_place(cursor: Cursor) -> Vec<u8> {
    let millis = cursor.created_at.timestamp_millis().to_be_bytes();
    [millis.as_slice(), cursor.id.uuid().as_bytes()].concat()
}

/// Reads what [`write_place`] wrote.
pub(crate) fn read_place(place: &[u8]) -> Option<Cursor> {
    let (millis, id) = place.split_first_chunk::<8>()?;
    Some(Cursor {
        created_at: DateTime::from_timestamp_millis(i64::from_be_bytes(*millis))?,
        id: Uuid::from_bytes(id.try_into().ok()?).into(),
    })
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

/// An account's id.
pub(crate) fn parse_account(value: &str) -> Result<AccountId, String> {
    value.parse().map_err(|_| "is not an account id".to_owned())
}

fn parse_flag(value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// Whether a file begins by saying that it is UTF-8.
pub(crate) fn parse_mark(value: &str) -> Result<ByteOrderMark, String> {
    parse_flag(value).map(|written| {
        if written {
            ByteOrderMark::Present
        } else {
            ByteOrderMark::Absent
        }
    })
}

/// The whole number as digits; a `+` arrives as a space where nobody encoded it.
fn parse_phone(value: &str) -> Result<String, String> {
    phone_digits(value)
        .filter(|digits| digits.len() >= 7)
        .ok_or_else(|| "must be a phone number with country code, 7 to 15 digits".to_owned())
}

/// A customer as a report named them: a phone number in any spelling becomes its digits, another id stays as it is.
pub(crate) fn parse_recipient(value: &str) -> String {
    parse_phone(value).unwrap_or_else(|_| value.to_owned())
}

/// A provider's id of a message.
pub(crate) fn parse_provider_id(value: &str) -> Result<String, String> {
    ProviderMessageId::parse(value)
        .map(|id| id.as_str().to_owned())
        .map_err(|error| error.to_string())
}

/// The name of a time zone.
pub(crate) fn parse_zone(value: &str) -> Result<Tz, String> {
    value
        .parse()
        .map_err(|_| "must be a time zone such as Asia/Kolkata".to_owned())
}

/// An instant.
pub(crate) fn parse_instant(value: &str) -> Result<DateTime<Utc>, String> {
    rfc3339::parse(value).map_err(|error| error.to_string())
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
        let csv = parse_export(&query, ExportFileFormat::Csv, Visibility::Full, now()).unwrap();
        assert_eq!(
            (csv.mark, csv.zone),
            (ByteOrderMark::Present, chrono_tz::Asia::Kolkata)
        );
        let refused =
            parse_export(&query, ExportFileFormat::Ndjson, Visibility::Full, now()).unwrap_err();
        assert_eq!(refused[0].field, "bom");
    }
}
