//! Callback authentication: checks an account's `callback_auth` over raw bytes.
//!
//! The URL token is checked in `keys`. Secrets are compared in constant time, and no error contains
//! an expected value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

use crate::domain::provider_account::{BasicLogin, CallbackAuth, HeaderSecret, HmacSignature};
use crate::domain::secret::Secret;

const SIGNATURE_PREFIX: &str = "sha256=";

/// Why a callback failed authentication. Contains header names, but neither presented nor expected
/// values.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum AuthenticityError {
    #[error("no Basic login was presented")]
    NoLogin,
    #[error("the Basic login is not one of those configured")]
    WrongLogin,
    #[error("none of the configured headers was presented")]
    NoHeader,
    #[error("the header `{0}` does not have the configured value")]
    WrongHeader(String),
    #[error("the signature header `{0}` is missing")]
    NoSignature(String),
    #[error("the signature in `{0}` does not match the body")]
    WrongSignature(String),
}

/// Checks a callback: every configured kind must pass, with any of its entries.
///
/// `headers` have lower-case names; `body` is as received, before unpacking.
pub fn check(
    auth: &CallbackAuth,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<(), AuthenticityError> {
    if !auth.basic.is_empty() {
        check_basic(&auth.basic, headers)?;
    }
    if !auth.header.is_empty() {
        check_header(&auth.header, headers)?;
    }
    match &auth.hmac {
        Some(signature) => check_signature(signature, headers, body),
        None => Ok(()),
    }
}

/// Whether a query string is Meta's request to confirm a subscription.
pub fn is_handshake(query: &str) -> bool {
    parameter(query, "hub.mode").is_some_and(|mode| mode == "subscribe")
}

/// Returns the challenge to echo, if the handshake presents the account's token.
pub fn verify_challenge(query: &str, verify_token: Option<&Secret>) -> Option<String> {
    let presented = parameter(query, "hub.verify_token")?;
    let genuine = are_equal(presented.as_bytes(), verify_token?.expose().as_bytes());
    (is_handshake(query) && bool::from(genuine))
        .then(|| parameter(query, "hub.challenge"))
        .flatten()
}

fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

fn check_basic(
    logins: &[BasicLogin],
    headers: &[(String, String)],
) -> Result<(), AuthenticityError> {
    let presented = values(headers, "authorization")
        .filter_map(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .find_map(|(_, encoded)| STANDARD.decode(encoded.trim()).ok())
        .ok_or(AuthenticityError::NoLogin)?;
    let genuine = logins.iter().fold(Choice::from(0), |genuine, login| {
        let expected = format!("{}:{}", login.username, login.password.expose());
        genuine | are_equal(&presented, expected.as_bytes())
    });
    accept(genuine, || AuthenticityError::WrongLogin)
}

fn check_header(
    expected: &[HeaderSecret],
    headers: &[(String, String)],
) -> Result<(), AuthenticityError> {
    let mut genuine = Choice::from(0);
    let mut presented = None;
    for secret in expected {
        for value in values(headers, &secret.name) {
            presented = Some(&secret.name);
            genuine |= are_equal(value.as_bytes(), secret.value.expose().as_bytes());
        }
    }
    let name = presented.ok_or(AuthenticityError::NoHeader)?;
    accept(genuine, || AuthenticityError::WrongHeader(name.clone()))
}

fn check_signature(
    signature: &HmacSignature,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<(), AuthenticityError> {
    let presented = values(headers, &signature.header)
        .next()
        .ok_or_else(|| AuthenticityError::NoSignature(signature.header.clone()))?
        .trim()
        .to_ascii_lowercase();
    let genuine = signature
        .secrets
        .iter()
        .filter_map(|secret| sign(secret, body))
        .fold(Choice::from(0), |genuine, expected| {
            genuine | are_equal(presented.as_bytes(), expected.as_bytes())
        });
    accept(genuine, || {
        AuthenticityError::WrongSignature(signature.header.clone())
    })
}

/// The expected header value. HMAC accepts keys of any length, so this is never `None`.
fn sign(secret: &Secret, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(body);
    let digits = mac
        .finalize()
        .into_bytes()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0x0f])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect::<String>();
    Some(format!("{SIGNATURE_PREFIX}{digits}"))
}

fn values<'h>(
    headers: &'h [(String, String)],
    name: &'h str,
) -> impl Iterator<Item = &'h str> + 'h {
    headers
        .iter()
        .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// Compares digests, so that the time does not even depend on the length of the expected text.
fn are_equal(presented: &[u8], expected: &[u8]) -> Choice {
    Sha256::digest(presented)
        .as_slice()
        .ct_eq(Sha256::digest(expected).as_slice())
}

fn accept(
    genuine: Choice,
    refusal: impl FnOnce() -> AuthenticityError,
) -> Result<(), AuthenticityError> {
    if bool::from(genuine) {
        Ok(())
    } else {
        Err(refusal())
    }
}
