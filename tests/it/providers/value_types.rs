//! The same report with its values in other JSON types, or wrapped once more: it is read the same.

use bluetick::domain::callback_fields::CallbackFields;
use bluetick::domain::provider::ProviderId;
use bluetick::domain::receipt::ReceiptEvent;
use bluetick::domain::reported_time::ReportedTime;
use bluetick::providers::{CallbackPart, Report, get, parse_callback};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::callback;

/// Notations of an instant, each as JSON.
const TIMES: &[fn(DateTime<Utc>) -> String] = &[
    |at| at.timestamp().to_string(),
    |at| format!("{}.{:03}", at.timestamp(), at.timestamp_subsec_millis()),
    |at| format!("{}.{:06}", at.timestamp(), at.timestamp_subsec_micros()),
    |at| format!("{}.0", at.timestamp()),
    |at| at.timestamp_millis().to_string(),
    |at| format!("{}.0", at.timestamp_millis()),
    |at| at.timestamp_micros().to_string(),
    |at| format!("{:e}", at.timestamp()),
    |at| format!("{:E}", at.timestamp_millis()),
    |at| format!("\"{}\"", at.timestamp()),
    |at| format!("\" {} \"", at.timestamp()),
    |at| format!("\"{}.{:03}\"", at.timestamp(), at.timestamp_subsec_millis()),
    |at| format!("\"{}\"", at.timestamp_millis()),
    |at| format!("[\"{}\"]", at.timestamp()),
    |at| format!("\"{}\"", at.to_rfc3339_opts(SecondsFormat::Millis, true)),
    |at| format!("\"{}\"", at.to_rfc3339_opts(SecondsFormat::Secs, false)),
    |at| format!("\"{}\"", at.format("%Y-%m-%dT%H:%M:%S%.3f+0000")),
    |at| format!("\"{}\"", at.format("%Y-%m-%d %H:%M:%S")),
    |at| format!("\"{}\"", at.to_rfc2822()),
    |at| format!("\"{}\"", at.format("%Y-%m-%d %H:%M:%S UTC")),
    |at| format!("\"{}\"", at.format("%Y/%m/%d %I:%M:%S %p")),
    |at| format!("\"{}\"", at.format("%d-%m-%Y %H:%M:%S")),
    |at| format!("\"{}\"", at.format("%d %b %Y %H:%M:%S,%3f")),
    |at| format!("\"{}\"", at.format("%Y%m%dT%H%M%SZ")),
    |at| format!("\"{}\"", at.format("%Y%m%d%H%M%S")),
    |at| format!("\"{}\"", at.format("%a %b %d %Y %H:%M:%S GMT+0000 (UTC)")),
    |at| format!("\"{}\"", at.format("%Y-%m-%dT%H:%M:%S+00[UTC]")),
    |at| format!(r#"{{"$numberLong":"{}"}}"#, at.timestamp_millis()),
    |at| format!(r#"{{"seconds":{},"nanos":0}}"#, at.timestamp()),
];

/// A value that stands for `value`.
#[derive(Clone, Copy, Debug)]
enum Form {
    Plain,
    Text,
    List,
    ListWithGaps(u8),
    TextOfList,
    FirstOfTwo,
    ListOfList,
}

const FORMS: &[Form] = &[
    Form::Plain,
    Form::Text,
    Form::List,
    Form::ListWithGaps(0),
    Form::ListWithGaps(3),
    Form::ListWithGaps(200),
    Form::TextOfList,
    Form::FirstOfTwo,
    Form::ListOfList,
];

impl Form {
    fn of(self, value: &Value) -> Value {
        match self {
            Self::Plain => value.clone(),
            Self::Text => json!(value.to_string()),
            Self::List => json!([value]),
            Self::ListWithGaps(key) => json!({ key.to_string(): value }),
            Self::TextOfList => json!(json!([value]).to_string()),
            Self::FirstOfTwo => json!([value, value]),
            Self::ListOfList => json!([[value]]),
        }
    }
}

fn reports(provider: ProviderId, body: &Value) -> Vec<Report> {
    reports_of(provider, body.to_string())
}

fn reports_of(provider: ProviderId, body: String) -> Vec<Report> {
    let sample = callback(body, Some("application/json"));
    let parts = parse_callback(get(provider), &CallbackFields::default(), &sample).parts;
    let report = |part| match part {
        CallbackPart::Report(report) => Some(report),
        _ => None,
    };
    parts.into_iter().filter_map(report).collect()
}

/// Where each provider reports a time of its own, with `@` in its place.
const TIMED: &[(ProviderId, &str)] = &[
    (
        ProviderId::Sobot,
        r#"{"id":"wamid.n1","status":"read","timestamp":@}"#,
    ),
    (
        ProviderId::Kaleyra,
        r#"{"message_id":"m1","status":"read","created_at":@}"#,
    ),
    (
        ProviderId::Zixflow,
        r#"{"messageId":"m1","deliveryStatus":"read","timestamp":@}"#,
    ),
];

proptest! {
    #[test]
    fn a_time_is_the_same_in_any_notation(
        millis in 1_577_836_800_000_i64..1_893_456_000_000,
        notation in select(TIMES),
        (provider, shape) in select(TIMED),
    ) {
        let at = DateTime::from_timestamp_millis(millis).unwrap();
        let body = shape.replace('@', &notation(at));
        let found = reports_of(provider, body.clone());
        prop_assert_eq!(found.len(), 1, "{}", body);
        let time = found[0].occurred_at.map(|time: ReportedTime| time.in_zone(chrono_tz::UTC));
        let difference = time.map(|time| (at - time).abs());
        prop_assert!(difference.is_some_and(|it| it < TimeDelta::seconds(1)), "{}: {:?}", body, time);
    }

    #[test]
    fn a_list_of_statuses_is_read_whatever_holds_it(
        form in select(FORMS),
        around in select(&["statuses", "value", "changes"][..]),
        provider in select(&[ProviderId::Sobot, ProviderId::Kaleyra][..]),
    ) {
        let status = json!({ "id": "wamid.n1", "status": "read", "timestamp": "1763600000" });
        let held = form.of(&status);
        let body = match around {
            "statuses" => json!({ "statuses": held }),
            "value" => json!([{ "field": "messages", "value": { "statuses": held } }]),
            _ => json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1",
                "changes": [{ "field": "messages", "value": { "statuses": held } }] }] }),
        };
        let plain = reports(provider, &json!([{ "field": "messages", "value": { "statuses": [status] } }]));
        prop_assert_eq!(plain.len(), 1);
        let found = reports(provider, &body);
        prop_assert!(!found.is_empty(), "{}", body);
        for report in found {
            prop_assert_eq!(&report, &plain[0], "{}", body);
        }
    }

    #[test]
    fn the_reason_of_a_failure_is_read_whatever_holds_it(
        errors in select(FORMS),
        data in select(&[Form::Plain, Form::Text, Form::List][..]),
        code in select(&["131026", "\"131026\"", "131026.0", "[131026]"][..]),
        name in select(&["errors", "error"][..]),
        text in "[A-Za-z][A-Za-z ]{3,30}[a-z]",
    ) {
        let code: Value = serde_json::from_str(code).unwrap();
        let error = json!({ "code": code, "title": "Undeliverable",
            "error_data": data.of(&json!({ "details": text })) });
        let body = json!({ "id": "wamid.n1", "status": "failed", "timestamp": "1763600000",
            name: errors.of(&error) });
        let found = reports(ProviderId::Sobot, &body);
        prop_assert_eq!(found.len(), 1, "{}", body);
        let Some(ReceiptEvent::Failure(failure)) = &found[0].event else {
            return Err(TestCaseError::fail(format!("{body}: {found:?}")));
        };
        prop_assert_eq!(failure.code.as_deref(), Some("131026"), "{}", body);
        prop_assert_eq!(failure.detail.as_deref(), Some(text.as_str()), "{}", body);
    }
}
