//! Kaleyra's replies to a submission. The body's code decides, whatever the HTTP status is.

use serde_json::Value;

use crate::domain::failure::Failure;
use crate::domain::failure_codes;
use crate::domain::provider::ProviderId;
use crate::domain::send_error::SendError;
use crate::providers::payload::{first, items, text};
use crate::providers::protocol::{HttpReply, SendStep};
use crate::providers::replies;

enum KaleyraReplyClass {
    Accepted,
    TryLater,
    Refused,
}

/// Documented codes, except those that reject the account (see `failure_codes::rejects_account`):
/// <https://developers.kaleyra.io/docs/whatsapp-api-v2-error-codes-for-send-message>.
const CODES: &[(&str, KaleyraReplyClass)] = &[
    ("WA200", KaleyraReplyClass::Accepted),
    ("WA202", KaleyraReplyClass::Accepted),
    ("WA400", KaleyraReplyClass::Refused),
    ("E13001", KaleyraReplyClass::Refused),
    ("WA500", KaleyraReplyClass::TryLater),
];

pub(super) fn parse(reply: &HttpReply) -> SendStep {
    if let Some(redirect) = replies::redirect(reply) {
        return redirect;
    }
    let Some(body) = replies::object(reply) else {
        return replies::unparseable_reply(reply);
    };
    let code = first(&body, &["code"]);
    let answer = CODES
        .iter()
        .find(|(known, _)| Some(*known) == code.as_deref());
    let failure = parse_refusal(&body, code.clone());
    if failure_codes::rejects_account(ProviderId::Kaleyra, &failure) {
        return SendStep::Failed(SendError::AccountRefused(failure));
    }
    match answer {
        Some((_, KaleyraReplyClass::Accepted)) => replies::accepted(reply_id(&body)),
        Some((_, KaleyraReplyClass::Refused)) => SendStep::Failed(SendError::Refused(failure)),
        Some((_, KaleyraReplyClass::TryLater)) => SendStep::Failed(SendError::TryLater {
            failure,
            after: None,
        }),
        None if (200..300).contains(&reply.status) => match reply_id(&body) {
            Some(id) if failure.key.is_none() => replies::accepted([id]),
            // An undocumented code is no clear answer, unless the reply also has an error.
            _ if failure.key.is_some() => SendStep::Failed(SendError::Refused(failure)),
            _ => replies::unparseable_reply(reply),
        },
        None => replies::refused(reply, reply.status, failure),
    }
}

/// V2's `data.message_id`, or the fields of V1 and Meta.
fn reply_id(body: &Value) -> Option<String> {
    body.get("data")
        .and_then(|data| first(data, &["message_id"]))
        .or_else(|| first(items(body.get("messages")).first()?, &["id"]))
        .or_else(|| first(body, &["id"]))
}

fn parse_refusal(body: &Value, code: Option<String>) -> Failure {
    let title = first(body, &["message"]);
    let errors: Vec<(&String, String)> = body
        .get("error")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key, text(value)?)))
        .collect();
    let detail = match errors.as_slice() {
        [] => None,
        [(_, words)] => Some(words.clone()).filter(|words| Some(words) != title.as_ref()),
        several => Some(
            several
                .iter()
                .map(|(key, words)| format!("{key}: {words}"))
                .collect::<Vec<_>>()
                .join("; "),
        ),
    };
    Failure {
        code,
        title,
        detail,
        key: errors.first().map(|(key, _)| (*key).clone()),
    }
}
