//! Two tables per provider: message → exact request, reply or callback → result. This file has the
//! shared samples.

mod authenticity;
mod contract;
mod enveloped_callbacks;
mod forged_fields;
mod incomplete_documents;
mod kaleyra;
mod lancepilot;
mod misquoted_json;
mod mixed_reports;
mod nested_forms;
mod other_subjects;
mod profiles;
mod repaired_replies;
mod reply_classes;
mod sample_callbacks;
mod shapes;
mod siblings;
mod sobot;
mod templates;
mod value_types;
mod wrapped_callbacks;
mod wrapped_elements;
mod written_times;
mod zixflow;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bluetick::domain::callback_fields::CallbackFields;
use bluetick::domain::failure::Failure;
use bluetick::domain::ids::{MessageId, ProviderMessageId};
use bluetick::domain::media::{Media, MediaKind, MediaSource};
use bluetick::domain::message::{MessageDraft, Origin, OutgoingMessage, References, SendOptions};
use bluetick::domain::phone::PhoneNumber;
use bluetick::domain::provider::ProviderId;
use bluetick::domain::provider_account::{
    Account, AccountMode, Adoption, CallbackAuth, CorrelationSlot, Credentials, KaleyraRegion,
    MatchBy, Preflight, WindowPolicy,
};
use bluetick::domain::receipt::ReceiptEvent;
use bluetick::domain::reported_time::ReportedTime;
use bluetick::domain::secret::Secret;
use bluetick::domain::send_error::SendError;
use bluetick::providers::{
    CallBody, Callback, CallbackPart, HttpCall, HttpReply, SendStep, get, parse_callback,
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

fn message_id() -> MessageId {
    "019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f".parse().unwrap()
}

fn received_at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_600_200, 0).unwrap()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn fixture(path: &str) -> Vec<u8> {
    fs::read(fixtures().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn account(provider: ProviderId) -> Account {
    let credentials = match provider {
        ProviderId::Sobot => Credentials::Sobot {
            api_key: Secret::new("sobot-key"),
            api_secret: Secret::new("sobot-secret"),
        },
        ProviderId::Kaleyra => Credentials::Kaleyra {
            region: Some(KaleyraRegion::India),
            sid: "HXAP2600001".to_owned(),
            api_key: Secret::new("kaleyra-key"),
        },
        ProviderId::Zixflow => Credentials::Zixflow {
            token: Secret::new("zixflow-token"),
            phone_id: "104000000000088".to_owned(),
        },
        ProviderId::LancePilot => Credentials::LancePilot {
            token: Secret::new("lancepilot-token"),
            workspace: "7f000001-1111-4222-8333-444455556666".to_owned(),
        },
    };
    Account {
        id: provider.as_str().parse().unwrap(),
        credentials,
        senders: vec!["+447700900999".to_owned()],
        base_url: None,
        callback_auth: CallbackAuth::default(),
        callback_generation: 1,
        callback_retired: Vec::new(),
        callback_fields: CallbackFields::default(),
        provider_time_zone: chrono_tz::UTC,
        correlation_slot: CorrelationSlot::Auto,
        adoption: Adoption::Off,
        match_by: MatchBy::Off,
        default_country: None,
        report_deadline: Duration::from_hours(24),
        timeout: Duration::from_secs(30),
        max_queue_time: Duration::from_hours(1),
        rate: None,
        max_in_flight: 64,
        mode: AccountMode::Live,
        preflight: Preflight::Off,
        window_policy: WindowPolicy::Warn,
        free_deliveries_per_month: 0,
        monthly_budget: None,
    }
}

fn message(account: &Account, kind: MediaKind) -> OutgoingMessage {
    let (url, mime_type) = match kind {
        MediaKind::Image => ("https://media.example.com/a.jpg", "image/jpeg"),
        MediaKind::Video => ("https://media.example.com/b.mp4", "video/mp4"),
    };
    OutgoingMessage {
        id: message_id(),
        draft: MessageDraft {
            account: account.id.clone(),
            provider: account.provider(),
            origin: Origin::Api,
            sender: Some("+447700900999".to_owned()),
            recipient: PhoneNumber::parse("+44 7700 900123").unwrap(),
            name: Some("Ines Müller".to_owned()),
            media: Media {
                kind,
                source: MediaSource::Url(url.to_owned()),
                mime_type: Some(mime_type.to_owned()),
                caption: Some("Grüße \"aus\" Leeds".to_owned()),
            },
            references: References::default(),
            client_reference: Some("order-42".to_owned()),
            options: SendOptions::default(),
            resend_of: None,
            campaign: None,
            template: None,
        },
        report_url: "https://hooks.example.com/reports/AbC-_1".to_owned(),
    }
}

fn call(account: &Account, message: &OutgoingMessage) -> HttpCall {
    match get(account.provider()).send(account, message, &[]) {
        SendStep::Call(call) => *call,
        other => panic!("no call but {other:?}"),
    }
}

fn reply(status: u16, body: impl Into<Vec<u8>>) -> HttpReply {
    HttpReply {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.into(),
    }
}

fn reply_with(status: u16, header: (&str, &str), body: impl Into<Vec<u8>>) -> HttpReply {
    let mut reply = reply(status, body);
    reply
        .headers
        .push((header.0.to_owned(), header.1.to_owned()));
    reply
}

/// The outcome of a reply, in one line.
fn outcome(provider: ProviderId, reply: HttpReply) -> String {
    let account = account(provider);
    let message = message(&account, MediaKind::Video);
    match get(provider).send(&account, &message, &[reply]) {
        SendStep::Call(_) => "another call".to_owned(),
        SendStep::Accepted(accepted) => {
            let ids: Vec<_> = accepted.ids.iter().map(ProviderMessageId::as_str).collect();
            let mut line = format!("accepted [{}]", ids.join(", "));
            for warning in &accepted.warnings {
                write!(line, " warning: {warning}").unwrap();
            }
            line
        }
        SendStep::Failed(error) => outcome_of_error(&error),
    }
}

fn outcome_of_error(error: &SendError) -> String {
    match error {
        SendError::Refused(failure) => format!("refused {}", words(failure)),
        SendError::AccountRefused(failure) => format!("account refused {}", words(failure)),
        SendError::TryLater { failure, after } => {
            format!("try later {after:?} {}", words(failure))
        }
        SendError::SlowDown { failure, after } => {
            format!("slow down {after:?} {}", words(failure))
        }
        SendError::SlowDownRecipient { failure, after } => {
            format!("slow down recipient {after:?} {}", words(failure))
        }
        SendError::NotReached(reason) => format!("not reached {reason}"),
        SendError::Unclear(reason) => format!("unclear {reason}"),
    }
}

fn words(failure: &Failure) -> String {
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        shown(&failure.code),
        shown(&failure.title),
        shown(&failure.detail),
        shown(&failure.key),
    ]
    .join(" | ")
}

fn callback(body: impl Into<Vec<u8>>, content_type: Option<&str>) -> Callback {
    Callback {
        method: "POST".to_owned(),
        query: String::new(),
        content_type: content_type.map(ToOwned::to_owned),
        body: body.into(),
        received_at: received_at(),
    }
}

/// The callback of a fixture: `?…` is a query string, other text a form, the rest JSON.
fn callback_of_fixture(path: &str) -> Callback {
    let bytes = fixture(path);
    if let Some(query) = bytes.strip_prefix(b"?") {
        return Callback {
            method: "GET".to_owned(),
            query: String::from_utf8(query.trim_ascii().to_vec()).unwrap(),
            ..callback("", None)
        };
    }
    if path.ends_with("form.txt") {
        return callback(bytes, Some("application/x-www-form-urlencoded"));
    }
    callback(bytes, Some("application/json"))
}

/// Each part of a callback in one line: `EVENT [IDS] to RECIPIENT at TIME`, and where the part has
/// them, ` tag BOOL` (whether the correlation tag is that of [`message_id`]), ` kind KIND` and
/// ` pricing BILLABLE CATEGORY MODEL PRICE`. `-` stands for what is absent. The event of a failure
/// is `failed` with the [`words`] of the failure.
fn lines(provider: ProviderId, callback: &Callback) -> Vec<String> {
    lines_by(&CallbackFields::default(), provider, callback)
}

/// Each part of a callback in one line, for an account with `callback_fields`.
fn lines_by(fields: &CallbackFields, provider: ProviderId, callback: &Callback) -> Vec<String> {
    let parts = parse_callback(get(provider), fields, callback).parts;
    assert!(!parts.is_empty(), "a callback always yields a part");
    parts.iter().map(line).collect()
}

fn line(part: &CallbackPart) -> String {
    let time = |at: Option<ReportedTime>| {
        at.map_or("-".to_owned(), |at| {
            at.in_zone(chrono_tz::UTC)
                .format("%Y-%m-%dT%H:%M:%S%.f")
                .to_string()
        })
    };
    match part {
        CallbackPart::Report(report) => {
            let ids: Vec<_> = report.ids.iter().map(ProviderMessageId::as_str).collect();
            let event = match &report.event {
                None => "echo".to_owned(),
                Some(ReceiptEvent::Stage(stage)) => stage.as_str().to_owned(),
                Some(ReceiptEvent::Failure(failure)) => format!("failed {}", words(failure)),
                Some(ReceiptEvent::Other(word)) => format!("other {word}"),
                Some(ReceiptEvent::Notice(text)) => format!("notice {text}"),
            };
            let mut line = format!(
                "{event} [{}] to {} at {}",
                ids.join(", "),
                report.recipient.as_deref().unwrap_or("-"),
                time(report.occurred_at)
            );
            if let Some(tag) = report.tag {
                write!(line, " tag {}", tag == message_id()).unwrap();
            }
            if let Some(kind) = report.kind {
                write!(line, " kind {kind}").unwrap();
            }
            if !report.pricing.is_empty() {
                let pricing = &report.pricing;
                let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
                let billable = pricing.billable.map(|billable| billable.to_string());
                write!(
                    line,
                    " pricing {} {} {} {}",
                    shown(&billable),
                    shown(&pricing.category),
                    shown(&pricing.model),
                    shown(&pricing.price)
                )
                .unwrap();
            }
            line
        }
        CallbackPart::Inbound(inbound) => format!(
            "inbound from {} at {}",
            inbound.sender.as_deref().unwrap_or("-"),
            time(inbound.occurred_at)
        ),
        CallbackPart::AccountEvent(event) => format!("notice {}", event.notice),
        CallbackPart::Notice(words) => format!("notice {words}"),
        CallbackPart::Probe => "probe".to_owned(),
        CallbackPart::Unparseable(why) => format!("unreadable {why}"),
    }
}

/// Compares every file of a fixture folder with its row, and fails on a file without one.
fn check_callbacks(provider: ProviderId, folder: &str, rows: &[(&str, &[&str])]) {
    let mut files: Vec<_> = fs::read_dir(fixtures().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut named: Vec<_> = rows.iter().map(|(file, _)| (*file).to_owned()).collect();
    named.sort();
    assert_eq!(files, named, "every fixture has a row");
    for (file, expected) in rows {
        let read = lines(provider, &callback_of_fixture(&format!("{folder}/{file}")));
        assert_eq!(read, *expected, "{folder}/{file}");
    }
}

/// Compares a call with its golden file; `UPDATE_GOLDEN=1` rewrites the file.
fn check_golden(name: &str, call: &HttpCall) {
    let headers: Vec<_> = call
        .headers
        .iter()
        .map(|header| {
            let secret = if header.secret { " (secret)" } else { "" };
            format!("{}: {}{secret}", header.name, header.value)
        })
        .collect();
    let body = match &call.body {
        CallBody::Empty => Value::Null,
        CallBody::Json(text) => serde_json::from_str(text).unwrap(),
        CallBody::Multipart { fields, file } => json!({
            "fields": fields,
            "file": {
                "field": file.field,
                "file_name": file.file_name,
                "mime_type": file.mime_type,
                "path": file.upload.path,
                "size": file.upload.size,
            },
        }),
    };
    let shown = json!({
        "method": call.method.as_str(),
        "url": call.url,
        "headers": headers,
        "body": body,
    });
    let shown = format!("{}\n", serde_json::to_string_pretty(&shown).unwrap());
    let path = fixtures().join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &shown).unwrap();
    }
    assert_eq!(String::from_utf8(fixture(name)).unwrap(), shown, "{name}");
}
