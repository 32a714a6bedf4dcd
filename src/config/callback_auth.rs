//! The table `callback_auth`: authentication of callbacks in addition to the URL token.

use http::header::{HeaderName, HeaderValue};

use crate::config::table_reader::TableReader;
use crate::domain::provider_account::{BasicLogin, CallbackAuth, HeaderSecret, HmacSignature};
use crate::domain::secret::Secret;

pub(super) fn read_callback_auth(table: &mut TableReader<'_, '_>) -> CallbackAuth {
    let basic = table.read_tables("basic", |login| {
        let username = login.required("username", TableReader::text);
        let password = login.required("password", TableReader::secret);
        Some(BasicLogin {
            username: username?,
            password: password?,
        })
    });
    let header = table.read_tables("header", |header| {
        let name = header.required("name", read_header_name);
        let value = header.required("value", read_header_secret);
        Some(HeaderSecret {
            name: name?,
            value: value?,
        })
    });
    let hmac = table.within("hmac", read_hmac);
    CallbackAuth {
        basic,
        header,
        hmac: hmac.flatten(),
        verify_token: table.secret("verify_token"),
    }
}

fn read_hmac(hmac: &mut TableReader<'_, '_>) -> Option<HmacSignature> {
    let header = hmac.required("header", read_header_name);
    let has_none = hmac.is_empty_list("secrets");
    let secrets = hmac.required("secrets", |hmac, name| Some(hmac.secrets(name)))?;
    if has_none {
        hmac.problem("secrets", "must name at least one secret");
    }
    Some(HmacSignature {
        header: header?,
        secrets,
    })
}

fn read_header_name(table: &mut TableReader<'_, '_>, name: &'static str) -> Option<String> {
    table.parse(name, |text| {
        HeaderName::try_from(text)
            .map(|_| text.to_owned())
            .map_err(|_| format!("`{text}` is not a header name"))
    })
}

/// Reads a secret that is sent in a header.
pub(super) fn read_header_secret(
    table: &mut TableReader<'_, '_>,
    name: &'static str,
) -> Option<Secret> {
    let secret = table.secret(name)?;
    if HeaderValue::from_str(secret.expose()).is_err() {
        table.problem(
            name,
            "has characters that are not allowed in an HTTP header",
        );
        return None;
    }
    Some(secret)
}
