//! What an account's callbacks must present beyond the token in their URL.

use http::header::{HeaderName, HeaderValue};

use crate::config::reading::Section;
use crate::domain::provider::{BasicLogin, CallbackAuth, HeaderSecret, HmacSignature};
use crate::domain::secret::Secret;

/// Reads the table `callback_auth`.
pub(super) fn read_callback_auth(section: &mut Section<'_, '_>) -> CallbackAuth {
    let basic = section.each("basic", |login| {
        let username = login.required("username", Section::text);
        let password = login.required("password", Section::secret);
        Some(BasicLogin {
            username: username?,
            password: password?,
        })
    });
    let header = section.each("header", |header| {
        let name = header.required("name", header_name);
        let value = header.required("value", header_secret);
        Some(HeaderSecret {
            name: name?,
            value: value?,
        })
    });
    let hmac = section.within("hmac", read_hmac);
    CallbackAuth {
        basic,
        header,
        hmac: hmac.flatten(),
        verify_token: section.secret("verify_token"),
    }
}

/// Reads the signature's header and keys.
fn read_hmac(hmac: &mut Section<'_, '_>) -> Option<HmacSignature> {
    let header = hmac.required("header", header_name);
    let given = hmac.has("secrets");
    let secrets = hmac.required("secrets", |hmac, name| Some(hmac.secrets(name)))?;
    if given && secrets.is_empty() {
        hmac.problem("secrets", "must name at least one secret");
    }
    Some(HmacSignature {
        header: header?,
        secrets,
    })
}

fn header_name(section: &mut Section<'_, '_>, name: &'static str) -> Option<String> {
    section.parse(name, |text| {
        HeaderName::try_from(text)
            .map(|_| text.to_owned())
            .map_err(|_| format!("`{text}` is not a header name"))
    })
}

/// A secret that travels in a header.
pub(super) fn header_secret(section: &mut Section<'_, '_>, name: &'static str) -> Option<Secret> {
    let secret = section.secret(name)?;
    if HeaderValue::from_str(secret.expose()).is_err() {
        section.problem(name, "has characters that no HTTP header can carry");
        return None;
    }
    Some(secret)
}
