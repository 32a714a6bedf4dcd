//! The `[[alerts]]` tables.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use crate::config::table_reader::TableReader;
use crate::domain::alert::{AlertFormat, AlertKind, AlertRule};
use crate::domain::ids::{AccountId, NotAnAccountId};
use crate::domain::secret::Secret;

/// Prefix of keys in the format of Standard Webhooks; keys without it are accepted.
pub const SIGNING_KEY_PREFIX: &str = "whsec_";

/// Returns `None` if the kind is invalid. Problems are recorded either way.
pub(super) fn read_alert(table: &mut TableReader<'_, '_>) -> Option<AlertRule> {
    let kind = table.required("kind", |table, name| {
        table.parse(name, |text| {
            text.parse::<AlertKind>().map_err(|_| {
                let kinds: Vec<&str> = AlertKind::ALL.into_iter().map(AlertKind::as_str).collect();
                format!("`{text}` is not one of {}", kinds.join(", "))
            })
        })
    });
    let threshold = table.positive_number("threshold");
    let account = table.parse("account", |text| {
        text.parse::<AccountId>()
            .map_err(|error: NotAnAccountId| error.to_string())
    });
    let url = table.parse("url", parse_alert_url);
    let format = table.choice(
        "format",
        &[
            ("standard", AlertFormat::Standard),
            ("slack", AlertFormat::Slack),
        ],
    );
    let secret = table.secret("secret");
    if secret
        .as_ref()
        .is_some_and(|secret| !is_signing_key(secret))
    {
        table.problem("secret", "must be whsec_ and the key in base64");
    }
    let kind = kind?;
    if account.is_some() && !kind.is_per_account() {
        table.problem("account", "is not possible: quarantine counts all accounts");
    }
    if kind == AlertKind::FailureRate && threshold.is_some_and(|share| share > 1.0) {
        table.problem("threshold", "is a share from 0 to 1, such as 0.2");
    }
    Some(AlertRule {
        kind,
        threshold: threshold.unwrap_or(kind.default_threshold()),
        account,
        url,
        format: format.unwrap_or_default(),
        secret,
    })
}

fn is_signing_key(secret: &Secret) -> bool {
    let text = secret.expose();
    let encoded = text.strip_prefix(SIGNING_KEY_PREFIX).unwrap_or(text);
    STANDARD.decode(encoded).is_ok()
}

fn parse_alert_url(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.to_owned()),
        _ => Err("is not an http or https URL".to_owned()),
    }
}
