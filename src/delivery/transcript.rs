//! An exchange with a provider as it is kept: what was asked and answered, secrets as `…`.

use crate::domain::provider::{Account, Credentials};
use crate::providers::{CallBody, HttpCall, HttpReply};

/// The longest reply body that is kept with an attempt, in bytes; what is longer is cut and says so.
const REPLY_LIMIT: usize = 64 * 1024;

/// The request as it is kept: method, address, headers, body.
pub fn request(call: &HttpCall, account: &Account, tokens: &[&str]) -> String {
    let mut text = format!("{} {}\n", call.method, call.url);
    for header in &call.headers {
        let value = if header.secret {
            "…"
        } else {
            header.value.as_str()
        };
        text.push_str(&format!("{}: {value}\n", header.name));
    }
    text.push('\n');
    match &call.body {
        CallBody::Empty => {}
        CallBody::Json(json) => text.push_str(json),
        CallBody::Multipart { fields, file } => {
            text.push_str("multipart/form-data\n");
            for (name, value) in fields {
                text.push_str(&format!("{name}: {value}\n"));
            }
            let size = file.upload.size;
            text.push_str(&format!(
                "{}: file {} ({}, {size} bytes)\n",
                file.field, file.file_name, file.mime_type
            ));
        }
    }
    hide(text, account, tokens)
}

/// The reply as it is kept: the headers that matter and the body.
pub fn reply(reply: &HttpReply, account: &Account, tokens: &[&str]) -> String {
    let mut text = String::new();
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push('\n');
    let kept = &reply.body[..reply.body.len().min(REPLY_LIMIT)];
    text.push_str(&String::from_utf8_lossy(kept).replace('\0', "␀"));
    if kept.len() < reply.body.len() {
        text.push_str(&format!("\n… {} bytes in all", reply.body.len()));
    }
    hide(text, account, tokens)
}

fn hide(text: String, account: &Account, tokens: &[&str]) -> String {
    let secrets = match &account.credentials {
        Credentials::Sobot {
            api_key,
            api_secret,
        } => vec![api_key.expose(), api_secret.expose()],
        Credentials::Kaleyra { api_key, .. } => vec![api_key.expose()],
        Credentials::Zixflow { token, .. } | Credentials::LancePilot { token, .. } => {
            vec![token.expose()]
        }
    };
    secrets
        .into_iter()
        .chain(tokens.iter().copied())
        .filter(|secret| !secret.is_empty())
        .fold(text, |text, secret| text.replace(secret, "…"))
}
