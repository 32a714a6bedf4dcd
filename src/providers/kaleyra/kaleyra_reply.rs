//! Kaleyra's replies to a submission. The body's code decides, whatever the HTTP status is.

use serde_json::Value;

use crate::domain::failure::Failure;
use crate::domain::provider::ProviderId;
use crate::providers::json_member::JsonMember;
use crate::providers::payload::{first_text, parse_text};
use crate::providers::protocol::{HttpReply, SendStep};
use crate::providers::replies;
use crate::providers::reply_class::{self, ReplyClass};

pub(super) fn parse(reply: &HttpReply) -> SendStep {
    const KALEYRA: ProviderId = ProviderId::Kaleyra;
    if let Some(redirect) = replies::redirect(reply) {
        return redirect;
    }
    let Some(body) = replies::object(reply) else {
        return replies::unparseable_reply(KALEYRA, reply);
    };
    let code = first_text(&body, &["code"]);
    let failure = parse_refusal(&body, code.clone());
    let documented = reply_class::rules_of(KALEYRA)
        .iter()
        .find(|rule| {
            code.as_deref()
                .is_some_and(|code| rule.codes.contains(&code))
        })
        .map(|rule| rule.class);
    match documented {
        Some(ReplyClass::Accepted) => replies::accepted_with_one(reply_ids(&body)),
        Some(_) => replies::refused_by_body(KALEYRA, reply, failure),
        None if (200..300).contains(&reply.status) => match reply_ids(&body) {
            ids if failure.key.is_none() && !ids.is_empty() => replies::accepted_with_one(ids),
            // An undocumented code is unclear, unless the reply also has an error.
            _ if failure.key.is_some() => replies::refused_by_body(KALEYRA, reply, failure),
            _ => replies::unparseable_reply(KALEYRA, reply),
        },
        None => replies::refused(KALEYRA, reply, reply.status, failure),
    }
}

/// V2's `data.message_id`, also in a list, or the fields of V1 and Meta.
fn reply_ids(body: &Value) -> Vec<String> {
    [
        (body.member("data"), "message_id"),
        (body.member("messages"), "id"),
        (Some(body), "id"),
    ]
    .into_iter()
    .map(|(listed, name)| replies::distinct_ids(listed, &[name]))
    .find(|ids| !ids.is_empty())
    .unwrap_or_default()
}

fn parse_refusal(body: &Value, code: Option<String>) -> Failure {
    let title = first_text(body, &["message"]);
    let errors: Vec<(&String, String)> = body
        .member("error")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key, parse_text(value)?)))
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
