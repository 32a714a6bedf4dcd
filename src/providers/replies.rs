//! The call with a JSON body, and the meaning of an HTTP reply where the provider's body does not
//! decide.

use std::collections::HashSet;

use http::Method;
use serde::Serialize;
use serde_json::Value;

use crate::domain::failure::Failure;
use crate::domain::ids::{BadProviderMessageId, ProviderMessageId};
use crate::domain::invisible_characters::is_blank;
use crate::domain::provider::ProviderId;
use crate::domain::send_error::{ProviderAcceptance, SendError};
use crate::providers::json;
use crate::providers::json_in_text::begins_json;
use crate::providers::json_member::JsonMember;
use crate::providers::payload::{items, parse_text};
use crate::providers::protocol::{CallBody, Header, HttpCall, HttpReply, SendStep};
use crate::providers::reading_budget::ReadingBudget;
use crate::providers::reply_class::{self, ReplyClass, RetryAfter};
use crate::providers::retry_after;
use crate::providers::text_decoding::decode;

/// `POST` with a JSON body; the content type is the last header.
pub(super) fn post_json(url: String, headers: Vec<Header>, request: &impl Serialize) -> SendStep {
    let mut headers = headers;
    headers.push(Header::plain("content-type", "application/json"));
    match serde_json::to_string(request) {
        Ok(body) => SendStep::Call(Box::new(HttpCall {
            method: Method::POST,
            url,
            headers,
            body: CallBody::Json(body),
        })),
        Err(error) => invalid_account_setup(&format!("the request cannot be serialised: {error}")),
    }
}

/// The object in the body of a reply. Mistakes are repaired as in a callback, because a message that
/// was accepted must not become uncertain by them. A body with a part that stays unreadable is
/// unreadable.
pub(super) fn object(reply: &HttpReply) -> Option<Value> {
    let as_written = serde_json::from_slice::<Value>(&reply.body)
        .ok()
        .filter(Value::is_object);
    let has_json_text = |value: &Value| value.as_str().is_some_and(begins_json);
    match as_written {
        Some(Value::Object(members)) if members.values().any(has_json_text) => {
            repaired_object(reply).or(Some(Value::Object(members)))
        }
        Some(object) => Some(object),
        None => repaired_object(reply),
    }
}

fn repaired_object(reply: &HttpReply) -> Option<Value> {
    let decoded = decode(&reply.body).ok()?;
    let text = decoded.trim_matches(|c: char| is_blank(c) || c == '\0');
    if !text.starts_with(['{', '"']) {
        return None;
    }
    let mut documents = json::parse(text, &ReadingBudget::default()).ok()?;
    match (documents.pop(), documents.is_empty()) {
        (Some(Ok(object)), true) if object.is_object() => Some(object),
        _ => None,
    }
}

/// Accepted, with all valid ids. Invalid ones become warnings; the attempt keeps the whole reply.
pub(super) fn accepted(ids: impl IntoIterator<Item = String>) -> SendStep {
    let mut accepted = ProviderAcceptance::default();
    for text in ids {
        match ProviderMessageId::parse(&text) {
            Ok(id) if accepted.ids.contains(&id) => {}
            Ok(id) => accepted.ids.push(id),
            Err(BadProviderMessageId::Empty) => {}
            Err(BadProviderMessageId::Control) => accepted.warnings.push(
                "the reply's id has a control character; it is kept in the attempt, but not used to correlate reports".to_owned(),
            ),
            Err(BadProviderMessageId::Placeholder) => accepted.warnings.push(
                "the reply's id is a placeholder; it is kept in the attempt, but not used to correlate reports".to_owned(),
            ),
            Err(BadProviderMessageId::Syntax) => accepted.warnings.push(
                "the reply's id has a quote or a brace; it is kept in the attempt, but not used to correlate reports".to_owned(),
            ),
            Err(BadProviderMessageId::TooLong { length }) => {
                accepted.warnings.push(format!(
                    "the reply's id has {length} characters, more than {}; it is kept in the attempt, but not used to correlate reports",
                    ProviderMessageId::LIMIT
                ));
            }
        }
    }
    SendStep::Accepted(accepted)
}

/// Accepted, with the id of the message. A reply to one message that has the ids of several cannot
/// be trusted to name this one.
pub(super) fn accepted_with_one(ids: Vec<String>) -> SendStep {
    if ids.len() < 2 {
        return accepted(ids);
    }
    SendStep::Accepted(ProviderAcceptance {
        warnings: vec![format!(
            "the reply has {} ids, as if of several messages; they are kept in the attempt, but not used to correlate reports",
            ids.len()
        )],
        ..ProviderAcceptance::default()
    })
}

/// The distinct ids under these names in one object, or in each of a list.
pub(super) fn distinct_ids(listed: Option<&Value>, names: &[&str]) -> Vec<String> {
    let (mut ids, mut seen) = (Vec::new(), HashSet::new());
    for element in items(listed) {
        let texts = names.iter().find_map(|name| {
            let texts: Vec<String> = items(element.member(name))
                .iter()
                .filter_map(parse_text)
                .collect();
            (!texts.is_empty()).then_some(texts)
        });
        for text in texts.into_iter().flatten() {
            if seen.insert(text.clone()) {
                ids.push(text);
            }
        }
    }
    ids
}

/// Classifies a refusal. `status` is the one in the body, if any, so that the body decides.
///
/// `failure` has the provider's text; without a code, the status becomes the code.
pub(super) fn refused(
    provider: ProviderId,
    reply: &HttpReply,
    status: u16,
    failure: Failure,
) -> SendStep {
    let mut failure = failure;
    if failure.code.is_none() {
        failure.code = (status >= 300).then(|| status.to_string());
    }
    if failure.title.is_none() {
        failure.title = Some(format!("HTTP {status}"));
    }
    classify(provider, reply, status, failure)
}

/// A failure in the body of a reply whose status means success.
pub(super) fn refused_by_body(
    provider: ProviderId,
    reply: &HttpReply,
    failure: Failure,
) -> SendStep {
    classify(provider, reply, 400, failure)
}

fn classify(provider: ProviderId, reply: &HttpReply, status: u16, failure: Failure) -> SendStep {
    let after = retry_after::delay(reply);
    let given = match reply.header("retry-after") {
        Some(_) => RetryAfter::Given,
        None => RetryAfter::Missing,
    };
    SendStep::Failed(
        match reply_class::classify(provider, status, &failure, given) {
            ReplyClass::AccountRefused => SendError::AccountRefused(failure),
            ReplyClass::SlowDown => SendError::SlowDown { failure, after },
            ReplyClass::SlowDownRecipient => SendError::SlowDownRecipient { failure, after },
            ReplyClass::TryLater => SendError::TryLater { failure, after },
            ReplyClass::Refused => SendError::Refused(failure),
            // A code of acceptance together with a failure is unclear.
            ReplyClass::Unclear | ReplyClass::Accepted => unclear(reply, &failure),
        },
    )
}

/// The body could not be parsed.
pub(super) fn unparseable_reply(provider: ProviderId, reply: &HttpReply) -> SendStep {
    if (200..300).contains(&reply.status) {
        return SendStep::Failed(SendError::Unclear(format!(
            "HTTP {} with an unreadable body",
            reply.status
        )));
    }
    refused(provider, reply, reply.status, Failure::default())
}

/// A redirect shows its Location and is never followed: `base_url` is wrong for every message.
pub(super) fn redirect(reply: &HttpReply) -> Option<SendStep> {
    if !(300..400).contains(&reply.status) {
        return None;
    }
    let location = reply.header("location");
    Some(SendStep::Failed(SendError::AccountRefused(Failure {
        code: Some(reply.status.to_string()),
        title: Some("the provider's URL redirects".to_owned()),
        detail: Some(location.map_or_else(
            || "no Location header".to_owned(),
            |target| format!("Location: {target}"),
        )),
        key: None,
    })))
}

/// The account or the message lacks something that the provider requires; nothing is sent.
pub(super) fn invalid_account_setup(reason: &str) -> SendStep {
    SendStep::Failed(SendError::Refused(Failure {
        title: Some(reason.to_owned()),
        ..Failure::default()
    }))
}

fn unclear(reply: &HttpReply, failure: &Failure) -> SendError {
    let words = [&failure.title, &failure.detail]
        .into_iter()
        .flatten()
        .filter(|text| !text.starts_with("HTTP "))
        .cloned()
        .collect::<Vec<_>>()
        .join(": ");
    let code = failure
        .code
        .as_deref()
        .filter(|code| *code != reply.status.to_string())
        .map_or(String::new(), |code| format!(", code {code}"));
    let separator = if words.is_empty() { "" } else { ": " };
    SendError::Unclear(format!("HTTP {}{code}{separator}{words}", reply.status))
}
