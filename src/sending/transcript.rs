//! Formats requests, replies and failures of providers for storage, with secrets replaced by `…`,
//! and reasons for the log, also without personal data.

use crate::domain::failure::Failure;
use crate::domain::masking::mask_numbers_and_wamids;
use crate::domain::media::MediaSource;
use crate::domain::message::MessageDraft;
use crate::domain::provider_account::Account;
use crate::domain::secret::{REDACTED, Redactor, Secret};
use crate::providers::{CallBody, HttpCall, HttpReply};
use crate::sending::upload_storage::TOKEN_CHARACTERS;

/// Bytes of a reply body that are stored; longer bodies are truncated with a note.
const REPLY_LIMIT: usize = 64 * 1024;
const MEDIA_PATH: &str = "/media/";
/// Characters of a reason in the log.
const LOG_LIMIT: usize = 300;

/// Method, URL, headers and body.
pub fn format_request(call: &HttpCall, account: &Account, tokens: &[&str]) -> String {
    let mut lines = vec![format!("{} {}", call.method, call.url)];
    lines.extend(call.headers.iter().map(|header| {
        let value = if header.secret { "…" } else { &header.value };
        format!("{}: {value}", header.name)
    }));
    lines.push(String::new());
    match &call.body {
        CallBody::Empty => {}
        CallBody::Json(json) => lines.push(json.clone()),
        CallBody::Multipart { fields, file } => {
            let (size, kind) = (file.upload.size, &file.mime_type);
            lines.push("multipart/form-data".to_owned());
            lines.extend(
                fields
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}")),
            );
            lines.push(format!(
                "{}: file {} ({kind}, {size} bytes)",
                file.field, file.file_name
            ));
        }
    }
    redact(&lines.join("\n"), account, tokens)
}

/// Headers and body.
pub fn format_reply(reply: &HttpReply, account: &Account, tokens: &[&str]) -> String {
    let mut lines: Vec<String> = reply
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    lines.push(String::new());
    let kept = &reply.body[..reply.body.len().min(REPLY_LIMIT)];
    lines.push(String::from_utf8_lossy(kept).replace('\0', "␀"));
    if kept.len() < reply.body.len() {
        lines.push(format!("… {} bytes in total", reply.body.len()));
    }
    redact(&lines.join("\n"), account, tokens)
}

/// Providers may repeat secrets in error texts. NUL is replaced, because PostgreSQL cannot store
/// it.
pub fn redact_failure(failure: Failure, account: &Account, tokens: &[&str]) -> Failure {
    let redacted =
        |text: Option<String>| text.map(|text| redact(&text.replace('\0', "␀"), account, tokens));
    Failure {
        code: redacted(failure.code),
        title: redacted(failure.title),
        detail: redacted(failure.detail),
        key: redacted(failure.key),
    }
}

/// A stored reason for the log: without phone numbers, wamids and quotations of the message.
pub fn reason_for_log(reason: &str, message: &MessageDraft) -> String {
    let media = &message.media;
    let url = match &media.source {
        MediaSource::Url(url) => Some(url),
        MediaSource::Id(_) | MediaSource::Upload(_) => None,
    };
    let template = message.template.iter().flat_map(|template| {
        let buttons = template.buttons.iter().map(|button| &button.value);
        template.body.iter().chain(buttons)
    });
    let references = &message.references;
    let texts = [
        url,
        media.caption.as_ref(),
        message.name.as_ref(),
        message.client_reference.as_ref(),
        references.reference.as_ref(),
        references.reference1.as_ref(),
        references.reference2.as_ref(),
    ];
    let texts = texts.into_iter().flatten().chain(template);
    let hidden = Redactor::new(texts.map(Secret::new)).hide(reason);
    mask_numbers_and_wamids(&hidden)
        .chars()
        .take(LOG_LIMIT)
        .collect()
}

fn redact(text: &str, account: &Account, tokens: &[&str]) -> String {
    let keys = account.credentials.secrets().into_iter().cloned();
    let tokens = tokens.iter().map(|token| Secret::new(*token));
    hide_media_tokens(&Redactor::new(keys.chain(tokens)).hide(text))
}

/// Replaces the tokens in URLs of uploaded files, because a token alone gives access to its file.
fn hide_media_tokens(text: &str) -> String {
    let mut parts = text.split(MEDIA_PATH);
    let mut hidden = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        hidden.push_str(MEDIA_PATH);
        let is_token_character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let end = part.find(|c| !is_token_character(c)).unwrap_or(part.len());
        if end == TOKEN_CHARACTERS {
            hidden.push_str(REDACTED);
            hidden.push_str(&part[end..]);
        } else {
            hidden.push_str(part);
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::account_with_defaults;
    use crate::domain::provider_account::Credentials;

    #[test]
    fn failures_are_stored_without_secrets_and_nul() {
        let account = account_with_defaults(
            "shop".parse().unwrap(),
            Credentials::Sobot {
                api_key: Secret::new("open"),
                api_secret: Secret::new("open-sesame"),
            },
        );
        let reported = Failure {
            code: Some("4\0".to_owned()),
            title: Some("open-sesame is not open for t0ken".to_owned()),
            detail: Some("a\0b".to_owned()),
            key: Some("\0".to_owned()),
        };
        let kept = redact_failure(reported, &account, &["t0ken"]);
        assert_eq!(kept.code.as_deref(), Some("4␀"));
        assert_eq!(kept.title.as_deref(), Some("… is not … for …"));
        assert_eq!(kept.detail.as_deref(), Some("a␀b"));
        assert_eq!(kept.key.as_deref(), Some("␀"));
    }
}
