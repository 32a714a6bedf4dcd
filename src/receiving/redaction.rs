//! Takes secrets out of a request before it is stored: out of everything but the body.

use form_urlencoded::parse;

use crate::domain::provider_account::CallbackAuth;
use crate::domain::secret::{REDACTED, Redactor, Secret};

/// Secrets shorter than this are looked for nowhere: `sent` as a password must not destroy every `status=sent`.
const SHORTEST: usize = 8;
/// A parameter account whole value is a secret, however short.
const SECRET_PARAMETER: &str = "hub.verify_token";
/// Headers account whole value is a secret, whoever sends it.
const SECRET_HEADERS: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
];

/// The secrets that one request may hold.
#[derive(Debug)]
pub(super) struct Redaction {
    headers: Vec<String>,
    texts: Redactor,
}

impl Redaction {
    /// For a request that presented `token` in its address, which proxies like to repeat in headers.
    pub(super) fn new(auth: &CallbackAuth, secrets: &[Secret], token: &Secret) -> Self {
        let texts = secrets
            .iter()
            .chain([token])
            .filter(|secret| secret.expose().len() >= SHORTEST)
            .cloned();
        Self {
            headers: auth
                .header
                .iter()
                .map(|header| header.name.to_ascii_lowercase())
                .collect(),
            texts: Redactor::new(texts),
        }
    }

    /// The headers, account names are in lower case, without secrets. A signature is none: it can be checked again later.
    pub(super) fn headers(&self, headers: &[(String, String)]) -> Vec<(String, String)> {
        headers
            .iter()
            .map(|(name, value)| {
                let whole = SECRET_HEADERS.contains(&name.as_str())
                    || self.headers.contains(name)
                    || self.hides(value);
                let value = if whole {
                    REDACTED.to_owned()
                } else {
                    self.texts.hide(value)
                };
                (name.clone(), value)
            })
            .collect()
    }

    /// The query string without secrets; a value that holds one goes whole, everything else stays as it came.
    pub(super) fn query(&self, query: &str) -> String {
        query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((name, value))
                    if name == SECRET_PARAMETER
                        || self.texts.touches(value)
                        || self.touches_decoded(value) =>
                {
                    format!("{}={REDACTED}", self.texts.hide(name))
                }
                None if self.touches_decoded(pair) => REDACTED.to_owned(),
                _ => self.texts.hide(pair),
            })
            .collect::<Vec<_>>()
            .join("&")
    }

    fn touches_decoded(&self, text: &str) -> bool {
        parse(text.as_bytes())
            .any(|(name, value)| self.texts.touches(&name) || self.texts.touches(&value))
    }

    /// Whether a secret stands there in percent signs, where a plain search does not see it.
    fn hides(&self, text: &str) -> bool {
        let hidden = |decoded: &str| {
            self.texts
                .found(decoded)
                .any(|secret| !text.contains(secret.expose()))
        };
        parse(text.as_bytes()).any(|(name, value)| hidden(&name) || hidden(&value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider_account::HeaderSecret;

    fn redaction() -> Redaction {
        let auth = CallbackAuth {
            header: vec![HeaderSecret {
                name: "X-Shop-Key".to_owned(),
                value: Secret::new("sent"),
            }],
            ..CallbackAuth::default()
        };
        let secrets = ["abcdefgh", "abcdefgh+ij/", "sent", ""].map(Secret::new);
        Redaction::new(&auth, &secrets, &Secret::new("t0ken-t0ken"))
    }

    #[test]
    fn secrets_leave_headers_and_the_rest_stays() {
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
        let kept: Vec<String> = redaction()
            .headers(&headers)
            .into_iter()
            .map(|(_, value)| value)
            .collect();
        assert_eq!(
            kept,
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
    }

    #[test]
    fn secrets_leave_the_query_and_the_rest_stays_as_it_came() {
        for (query, kept) in [
            ("", ""),
            ("status=sent&id=a%2Bb+c", "status=sent&id=a%2Bb+c"),
            ("k=abcdefgh&x=1", "k=…&x=1"),
            ("k=abcdefgh%2Bij%2F&x=1", "k=…&x=1"),
            ("%61bcdefgh&x", "…&x"),
            ("xt0ken-t0kenx=%31", "x…x=%31"),
            ("hub.verify_token=no&x=1", "hub.verify_token=…&x=1"),
        ] {
            assert_eq!(redaction().query(query), kept);
        }
    }
}
