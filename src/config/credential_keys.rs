//! The keys of each provider's credentials.

use uuid::Uuid;

use crate::config::callback_auth::read_header_secret;
use crate::config::table_reader::TableReader;
use crate::domain::provider::ProviderId;
use crate::domain::provider_account::{Credentials, KaleyraRegion};

pub(super) fn provider_keys(provider: ProviderId) -> &'static [&'static str] {
    match provider {
        ProviderId::Sobot => &["api_key", "api_secret"],
        ProviderId::Kaleyra => &["api_key", "sid", "region"],
        ProviderId::Zixflow => &["token", "phone_id"],
        ProviderId::LancePilot => &["token", "workspace"],
    }
}

/// `None` if a credential is missing or invalid.
pub(super) fn read_credentials(
    table: &mut TableReader<'_, '_>,
    provider: ProviderId,
) -> Option<Credentials> {
    match provider {
        ProviderId::Sobot => {
            let api_key = table.required("api_key", read_header_secret);
            let api_secret = table.required("api_secret", read_header_secret);
            Some(Credentials::Sobot {
                api_key: api_key?,
                api_secret: api_secret?,
            })
        }
        ProviderId::Kaleyra => {
            let api_key = table.required("api_key", read_header_secret);
            let sid = table.required("sid", read_path_segment);
            if !table.has("region") && !table.has("base_url") {
                table.problem("region", "is required: in, sg or eu (or give base_url)");
            }
            let region = table.choice(
                "region",
                &[
                    ("in", KaleyraRegion::India),
                    ("sg", KaleyraRegion::Singapore),
                    ("eu", KaleyraRegion::Europe),
                ],
            );
            Some(Credentials::Kaleyra {
                region,
                sid: sid?,
                api_key: api_key?,
            })
        }
        ProviderId::Zixflow => {
            let token = table.required("token", read_header_secret);
            let phone_id = table.required("phone_id", read_path_segment);
            Some(Credentials::Zixflow {
                token: token?,
                phone_id: phone_id?,
            })
        }
        ProviderId::LancePilot => {
            let token = table.required("token", read_header_secret);
            let workspace = table.required("workspace", |table, name| {
                table.parse(name, |text| {
                    Uuid::try_parse(text)
                        .map(|uuid| uuid.to_string())
                        .map_err(|_| format!("`{text}` is not a UUID"))
                })
            });
            Some(Credentials::LancePilot {
                token: token?,
                workspace: workspace?,
            })
        }
    }
}

/// Reads an id that is sent in a URL path or in JSON.
fn read_path_segment(table: &mut TableReader<'_, '_>, name: &'static str) -> Option<String> {
    table.parse(name, |text| {
        let is_valid = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if is_valid {
            Ok(text.to_owned())
        } else {
            Err("has characters other than letters, digits, - _ and .")
        }
    })
}
