//! Redacts secrets in a request before it is stored: in everything except the body.

use form_urlencoded::parse;

use crate::domain::provider_account::CallbackAuth;
use crate::domain::secret::{REDACTED, Redactor, Secret};

/// Shorter secrets are not searched for: the password `sent` must not destroy every `status=sent`.
const MIN_SECRET_LENGTH: usize = 8;
/// A parameter whose whole value is a secret, whatever its length.
const SECRET_PARAMETER: &str = "hub.verify_token";
/// Headers whose whole value is a secret.
const SECRET_HEADERS: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
];

/// The secrets that one request may contain.
#[derive(Debug)]
pub(super) struct Redaction<'a> {
    auth: &'a CallbackAuth,
    texts: Redactor<&'a Secret>,
}

impl<'a> Redaction<'a> {
    /// `token` is the one in the request's URL; proxies often repeat it in headers.
    pub(super) fn new(auth: &'a CallbackAuth, secrets: &'a [Secret], token: &'a Secret) -> Self {
        let texts = secrets
            .iter()
            .chain([token])
            .filter(|secret| secret.expose().len() >= MIN_SECRET_LENGTH);
        Self {
            auth,
            texts: Redactor::new(texts),
        }
    }

    /// Expects header names in lower case. Signatures stay, so that they can be checked again
    /// later.
    pub(super) fn redact_headers(&self, headers: &mut [(String, String)]) {
        for (name, value) in headers {
            if self.is_secret_header(name) || self.contains_encoded(value) {
                REDACTED.clone_into(value);
            } else if self.texts.contains_secret(value) {
                *value = self.texts.hide(value);
            }
        }
    }

    fn is_secret_header(&self, name: &str) -> bool {
        let mut configured = self.auth.header.iter();
        SECRET_HEADERS.contains(&name)
            || configured.any(|header| header.name.eq_ignore_ascii_case(name))
    }

    /// Redacts a parameter's whole value if it contains a secret; everything else stays unchanged.
    pub(super) fn redact_query(&self, query: &str) -> String {
        query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((name, value))
                    if name == SECRET_PARAMETER
                        || self.texts.contains_secret(value)
                        || self.contains_decoded(value) =>
                {
                    format!("{}={REDACTED}", self.texts.hide(name))
                }
                None if self.contains_decoded(pair) => REDACTED.to_owned(),
                _ => self.texts.hide(pair),
            })
            .collect::<Vec<_>>()
            .join("&")
    }

    fn contains_decoded(&self, text: &str) -> bool {
        parse(text.as_bytes()).any(|(name, value)| {
            self.texts.contains_secret(&name) || self.texts.contains_secret(&value)
        })
    }

    /// Whether the text contains a percent-encoded secret, which a plain search does not find.
    fn contains_encoded(&self, text: &str) -> bool {
        let is_encoded = |decoded: &str| {
            self.texts
                .secrets_in(decoded)
                .any(|secret| !text.contains(secret.expose()))
        };
        let may_be_encoded = text.bytes().any(|byte| matches!(byte, b'%' | b'+'));
        may_be_encoded
            && parse(text.as_bytes()).any(|(name, value)| is_encoded(&name) || is_encoded(&value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider_account::HeaderSecret;

    fn with_redaction(check: impl FnOnce(&Redaction)) {
        let auth = CallbackAuth {
            header: vec![HeaderSecret {
                name: "X-Shop-Key".to_owned(),
                value: Secret::new("sent"),
            }],
            ..CallbackAuth::default()
        };
        let secrets = ["abcdefgh", "abcdefgh+ij/", "sent", ""].map(Secret::new);
        let token = Secret::new("t0ken-t0ken");
        check(&Redaction::new(&auth, &secrets, &token));
    }

    #[test]
    fn secrets_in_headers_are_redacted() {
        let headers = [
            ("authorization", "Basic eDp5"),
            ("cookie", "a=b"),
            ("x-shop-key", "a wrong guess"),
            ("x-other", "before abcdefgh+ij/ after abcdefgh"),
            ("x-original-uri", "/callbacks/shop/t0ken-t0ken?x=1"),
            ("referer", "https://host/?k=abcdefgh%2Bij%2F"),
            ("x-hub-signature-256", "sha256=00ff"),
            ("content-type", "application/json"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        with_redaction(|redaction| {
            let mut headers = headers;
            redaction.redact_headers(&mut headers);
            assert_eq!(
                headers.map(|(_, value)| value),
                [
                    "…",
                    "…",
                    "…",
                    "before … after …",
                    "/callbacks/shop/…?x=1",
                    "…",
                    "sha256=00ff",
                    "application/json"
                ]
            );
        });
    }

    #[test]
    fn secrets_in_the_query_are_redacted() {
        for (query, kept) in [
            ("", ""),
            ("status=sent&id=a%2Bb+c", "status=sent&id=a%2Bb+c"),
            ("k=abcdefgh&x=1", "k=…&x=1"),
            ("k=abcdefgh%2Bij%2F&x=1", "k=…&x=1"),
            ("%61bcdefgh&x", "…&x"),
            ("xt0ken-t0kenx=%31", "x…x=%31"),
            ("hub.verify_token=no&x=1", "hub.verify_token=…&x=1"),
        ] {
            with_redaction(|redaction| assert_eq!(redaction.redact_query(query), kept));
        }
    }
}
