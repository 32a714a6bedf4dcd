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
    #[error("the header `{0}` holds another value than configured")]
    WrongHeader(String),
    #[error("the signature header `{0}` is missing")]
    NoSignature(String),
    #[error("the signature in `{0}` does not fit the body")]
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
    let genuine = same(presented.as_bytes(), verify_token?.expose().as_bytes());
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
        genuine | same(&presented, expected.as_bytes())
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
            genuine |= same(value.as_bytes(), secret.value.expose().as_bytes());
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
            genuine | same(presented.as_bytes(), expected.as_bytes())
        });
    accept(genuine, || {
        AuthenticityError::WrongSignature(signature.header.clone())
    })
}

/// The expected header value. HMAC accepts keys of any length, so it is never absent.
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
fn same(presented: &[u8], expected: &[u8]) -> Choice {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn basic() -> CallbackAuth {
        CallbackAuth {
            basic: ["old", "new"]
                .map(|password| BasicLogin {
                    username: "hook".to_owned(),
                    password: Secret::new(password),
                })
                .to_vec(),
            ..CallbackAuth::default()
        }
    }

    fn signed(secrets: &[&str]) -> CallbackAuth {
        CallbackAuth {
            hmac: Some(HmacSignature {
                header: "X-Hub-Signature-256".to_owned(),
                secrets: secrets.iter().map(|secret| Secret::new(*secret)).collect(),
            }),
            ..CallbackAuth::default()
        }
    }

    #[test]
    fn without_configuration_every_callback_passes() {
        assert_eq!(check(&CallbackAuth::default(), &[], b"x"), Ok(()));
    }

    #[test]
    fn any_listed_basic_login_passes() {
        // "hook:old", "hook:new", "hook:other"
        for (encoded, verdict) in [
            ("aG9vazpvbGQ=", Ok(())),
            ("aG9vazpuZXc=", Ok(())),
            ("aG9vazpvdGhlcg==", Err(AuthenticityError::WrongLogin)),
            ("not base64!", Err(AuthenticityError::NoLogin)),
        ] {
            let presented = headers(&[("authorization", &format!("basic {encoded}"))]);
            assert_eq!(check(&basic(), &presented, b""), verdict);
        }
        let bearer = headers(&[("authorization", "Bearer aG9vazpvbGQ=")]);
        assert_eq!(
            check(&basic(), &bearer, b""),
            Err(AuthenticityError::NoLogin)
        );
        assert_eq!(check(&basic(), &[], b""), Err(AuthenticityError::NoLogin));
    }

    #[test]
    fn a_static_header_must_hold_the_exact_value() {
        let auth = CallbackAuth {
            header: vec![HeaderSecret {
                name: "X-Key".to_owned(),
                value: Secret::new("s3cret"),
            }],
            ..CallbackAuth::default()
        };
        let with = |value| check(&auth, &headers(&[("x-key", value)]), b"");
        assert_eq!(with("s3cret"), Ok(()));
        assert_eq!(
            with("S3cret"),
            Err(AuthenticityError::WrongHeader("X-Key".into()))
        );
        assert_eq!(
            with("s3cret "),
            Err(AuthenticityError::WrongHeader("X-Key".into()))
        );
        assert_eq!(check(&auth, &[], b""), Err(AuthenticityError::NoHeader));
    }

    /// RFC 4231, test case 2.
    const JEFE: &str = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    const JEFE_BODY: &[u8] = b"what do ya want for nothing?";

    #[test]
    fn a_signature_over_the_raw_body_passes_with_any_secret() {
        let presented = headers(&[("x-hub-signature-256", JEFE)]);
        assert_eq!(check(&signed(&["Jefe"]), &presented, JEFE_BODY), Ok(()));
        assert_eq!(
            check(&signed(&["rotated", "Jefe"]), &presented, JEFE_BODY),
            Ok(())
        );
        let wrong = Err(AuthenticityError::WrongSignature(
            "X-Hub-Signature-256".into(),
        ));
        assert_eq!(
            check(&signed(&["other"]), &presented, JEFE_BODY),
            wrong.clone()
        );
        assert_eq!(check(&signed(&["Jefe"]), &presented, b"What"), wrong);
        assert_eq!(check(&signed(&[]), &presented, JEFE_BODY), wrong);
    }

    #[test]
    fn a_missing_or_unprefixed_signature_fails() {
        assert_eq!(
            check(&signed(&["Jefe"]), &[], JEFE_BODY),
            Err(AuthenticityError::NoSignature("X-Hub-Signature-256".into()))
        );
        let bare = headers(&[("x-hub-signature-256", &JEFE[SIGNATURE_PREFIX.len()..])]);
        assert!(check(&signed(&["Jefe"]), &bare, JEFE_BODY).is_err());
    }

    #[test]
    fn every_configured_kind_must_pass() {
        let both = CallbackAuth {
            hmac: signed(&["Jefe"]).hmac,
            ..basic()
        };
        let login = ("authorization", "Basic aG9vazpvbGQ=");
        let signature = ("x-hub-signature-256", JEFE);
        assert_eq!(
            check(&both, &headers(&[login, signature]), JEFE_BODY),
            Ok(())
        );
        assert!(check(&both, &headers(&[login]), JEFE_BODY).is_err());
        assert!(check(&both, &headers(&[signature]), JEFE_BODY).is_err());
    }

    #[test]
    fn an_error_contains_no_expected_value() {
        let auth = signed(&["Jefe"]);
        let presented = headers(&[("x-hub-signature-256", "sha256=00")]);
        let text = check(&auth, &presented, b"").unwrap_err().to_string();
        assert!(!text.contains("Jefe") && !text.contains("00") && !text.contains("sha256"));
    }

    #[test]
    fn a_challenge_is_answered_only_with_the_right_token() {
        let token = Secret::new("a+b c");
        let query = "hub.mode=subscribe&hub.challenge=1158%3C&hub.verify_token=a%2Bb+c";
        assert!(is_handshake(query));
        assert_eq!(
            verify_challenge(query, Some(&token)).as_deref(),
            Some("1158<")
        );
        assert_eq!(verify_challenge(query, Some(&Secret::new("a"))), None);
        assert_eq!(verify_challenge(query, None), None);
        assert_eq!(verify_challenge("hub.mode=subscribe", Some(&token)), None);
        assert!(!is_handshake("hub.mode=unsubscribe&hub.challenge=1"));
    }
}
