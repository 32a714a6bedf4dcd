//! An exchange with a provider as it is kept: what was asked and answered, secrets as `…`.

use crate::domain::failure::Failure;
use crate::domain::provider_account::Account;
use crate::domain::secret::{Redactor, Secret};
use crate::providers::{CallBody, HttpCall, HttpReply};

/// The longest reply body that is kept with an attempt, in bytes; what is longer is cut and says so.
const REPLY_LIMIT: usize = 64 * 1024;

/// The request as it is kept: method, address, headers, body.
pub fn request(call: &HttpCall, account: &Account, tokens: &[&str]) -> String {
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
    hide(&lines.join("\n"), account, tokens)
}

/// The reply as it is kept: the headers that matter and the body.
pub fn reply(reply: &HttpReply, account: &Account, tokens: &[&str]) -> String {
    let mut lines: Vec<String> = reply
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    lines.push(String::new());
    let kept = &reply.body[..reply.body.len().min(REPLY_LIMIT)];
    lines.push(String::from_utf8_lossy(kept).replace('\0', "␀"));
    if kept.len() < reply.body.len() {
        lines.push(format!("… {} bytes in all", reply.body.len()));
    }
    hide(&lines.join("\n"), account, tokens)
}

/// A failure as it is kept: a provider may repeat what it was shown. PostgreSQL keeps no NUL.
pub fn failure(failure: Failure, account: &Account, tokens: &[&str]) -> Failure {
    let hidden =
        |text: Option<String>| text.map(|text| hide(&text.replace('\0', "␀"), account, tokens));
    Failure {
        code: hidden(failure.code),
        title: hidden(failure.title),
        detail: hidden(failure.detail),
        key: hidden(failure.key),
    }
}

fn hide(text: &str, account: &Account, tokens: &[&str]) -> String {
    let keys = account.credentials.secrets().into_iter().cloned();
    let tokens = tokens.iter().map(|token| Secret::new(*token));
    Redactor::new(keys.chain(tokens)).hide(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::account_with_defaults;
    use crate::domain::provider_account::Credentials;

    #[test]
    fn a_failure_is_kept_without_secrets_and_nul() {
        let account = account_with_defaults(
            "shop".parse().unwrap(),
            Credentials::Sobot {
                api_key: Secret::new("open"),
                api_secret: Secret::new("open-sesame"),
            },
        );
        let told = Failure {
            code: Some("4\0".to_owned()),
            title: Some("open-sesame is not open for t0ken".to_owned()),
            detail: Some("a\0b".to_owned()),
            key: Some("\0".to_owned()),
        };
        let kept = failure(told, &account, &["t0ken"]);
        assert_eq!(kept.code.as_deref(), Some("4␀"));
        assert_eq!(kept.title.as_deref(), Some("… is not … for …"));
        assert_eq!(kept.detail.as_deref(), Some("a␀b"));
        assert_eq!(kept.key.as_deref(), Some("␀"));
    }
}
