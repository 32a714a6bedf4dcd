//! One key per purpose, derived from the secret key; the tokens in callback and report URLs.
//!
//! Pure: `config` and `data_dir` read the secret key.

#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use uuid::Uuid;

use crate::domain::erased_name;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::secret::Secret;

/// First byte of every report token, so that later layouts can be distinguished.
const REPORT_VERSION: u8 = 1;
/// Size of an HMAC-SHA256.
const TAG_BYTES: usize = 32;
const ID_BYTES: usize = 16;

/// Everything derived from the secret key. Never printed.
pub struct Keys {
    current: DerivedKeys,
    previous: Vec<DerivedKeys>,
}

struct DerivedKeys {
    callback: [u8; TAG_BYTES],
    report: [u8; TAG_BYTES],
    media: [u8; TAG_BYTES],
    url_check: [u8; TAG_BYTES],
    alert: [u8; TAG_BYTES],
    erased: [u8; TAG_BYTES],
    session: [u8; 64],
    fingerprint: [u8; ID_BYTES],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallbackUrl {
    pub generation: u32,
    pub age: UrlAge,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UrlAge {
    /// The URL that the dashboard shows.
    Current,
    /// Of the previous generation, or derived from an earlier secret key; it still works.
    Old,
}

impl Keys {
    /// Tokens are created with `secret`; those created with `previous` still verify.
    pub fn derive(secret: &Secret, previous: &[Secret]) -> Self {
        Self {
            current: DerivedKeys::derive(secret),
            previous: previous.iter().map(DerivedKeys::derive).collect(),
        }
    }

    /// Identifies the secret key without revealing it; stored in the database.
    pub fn fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.current.fingerprint)
    }

    pub fn previous_fingerprints(&self) -> Vec<String> {
        self.previous
            .iter()
            .map(|keys| URL_SAFE_NO_PAD.encode(keys.fingerprint))
            .collect()
    }

    /// Key of the dashboard's session cookie.
    pub fn session(&self) -> &[u8; 64] {
        &self.current.session
    }

    /// Key of signed media URLs.
    pub fn media(&self) -> &[u8; 32] {
        &self.current.media
    }

    /// Last path segment of the URL that answers the check of the public URL.
    pub fn url_check_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.current.url_check)
    }

    pub fn is_url_check_token(&self, token: &str) -> bool {
        self.url_check_token()
            .as_bytes()
            .ct_eq(token.as_bytes())
            .into()
    }

    /// Signs notifications of alerts that have no key of their own.
    pub fn alert(&self) -> &[u8; 32] {
        &self.current.alert
    }

    /// The keyed hash that replaces a key or reference with an erased customer's data; see
    /// [`erased_name`]. Without the secret key, the original cannot be found by trying all numbers.
    pub fn erased_name(&self, parts: &[&str]) -> String {
        self.current.erased_name(parts)
    }

    /// [`Keys::erased_name`] with the current secret key and with each earlier one.
    pub fn erased_names(&self, parts: &[&str]) -> Vec<String> {
        self.all().map(|keys| keys.erased_name(parts)).collect()
    }

    /// Last path segment of an account's callback URL.
    pub fn callback_token(&self, account: &AccountId, generation: u32) -> String {
        self.current.callback_token(account, generation)
    }

    /// `None` unless the token is valid for `account`, in the `current` or the previous generation,
    /// which must not be in `retired`.
    ///
    /// Takes the same time for every token, so that it cannot be guessed byte by byte.
    pub fn verify_callback_token(
        &self,
        account: &AccountId,
        current: u32,
        retired: &[u32],
        token: &str,
    ) -> Option<CallbackUrl> {
        let generations = [Some(current), current.checked_sub(1)];
        let generations: Vec<u32> = generations
            .into_iter()
            .flatten()
            .filter(|generation| *generation > 0 && !retired.contains(generation))
            .collect();
        let mut matched = None;
        for (index, keys) in self.all().enumerate() {
            for &generation in &generations {
                let expected = keys.callback_token(account, generation);
                if bool::from(expected.as_bytes().ct_eq(token.as_bytes())) {
                    let is_current = index == 0 && generation == current;
                    matched = Some(CallbackUrl {
                        generation,
                        age: if is_current {
                            UrlAge::Current
                        } else {
                            UrlAge::Old
                        },
                    });
                }
            }
        }
        matched
    }

    /// Last path segment of the URL for reports of one message. Valid as long as the message is
    /// stored.
    pub fn report_token(&self, account: &AccountId, message: MessageId) -> String {
        let mut bytes = vec![REPORT_VERSION];
        bytes.extend_from_slice(message.uuid().as_bytes());
        bytes.extend_from_slice(account.as_str().as_bytes());
        let tag = authenticate(&self.current.report, &[&bytes]);
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None` if the token was not created by [`Keys::report_token`].
    pub fn verify_report_token(&self, token: &str) -> Option<(AccountId, MessageId)> {
        // Strict: rejects other encodings of the same bytes (padding, trailing bits).
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, tag) = bytes.split_last_chunk::<TAG_BYTES>()?;
        let is_valid = self.all().fold(Choice::from(0), |is_valid, keys| {
            is_valid | authenticate(&keys.report, &[signed]).ct_eq(tag)
        });
        if !bool::from(is_valid) {
            return None;
        }
        let (&version, rest) = signed.split_first()?;
        let (id, account) = rest.split_first_chunk::<ID_BYTES>()?;
        let account = std::str::from_utf8(account).ok()?.parse().ok()?;
        (version == REPORT_VERSION).then(|| (account, MessageId::from(Uuid::from_bytes(*id))))
    }

    fn all(&self) -> impl Iterator<Item = &DerivedKeys> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Keys({} previous)", self.previous.len())
    }
}

impl DerivedKeys {
    fn derive(secret: &Secret) -> Self {
        let source = Hkdf::<Sha256>::new(Some(b"bluetick"), secret.expose().as_bytes());
        Self {
            callback: expand(&source, "callback"),
            report: expand(&source, "report"),
            media: expand(&source, "media"),
            url_check: expand(&source, "url check"),
            alert: expand(&source, "alert"),
            erased: expand(&source, "erased"),
            session: expand(&source, "session"),
            fingerprint: expand(&source, "fingerprint"),
        }
    }

    fn erased_name(&self, parts: &[&str]) -> String {
        let parts = parts.join("\0");
        let tag = authenticate(&self.erased, &[parts.as_bytes()]);
        format!("{}{}", erased_name::PREFIX, URL_SAFE_NO_PAD.encode(tag))
    }

    fn callback_token(&self, account: &AccountId, generation: u32) -> String {
        let generation = generation.to_string();
        URL_SAFE_NO_PAD.encode(authenticate(
            &self.callback,
            &[account.as_str().as_bytes(), &[0], generation.as_bytes()],
        ))
    }
}

#[expect(
    clippy::expect_used,
    reason = "HKDF-SHA256 rejects only outputs above 8160 bytes"
)]
fn expand<const N: usize>(source: &Hkdf<Sha256>, purpose: &str) -> [u8; N] {
    let mut key = [0; N];
    source
        .expand(format!("bluetick {purpose} v1").as_bytes(), &mut key)
        .expect("the output is short");
    key
}

/// HMAC-SHA256 of the concatenated parts.
fn authenticate(key: &[u8; TAG_BYTES], parts: &[&[u8]]) -> [u8; TAG_BYTES] {
    // HMAC pads a short key with zeros to its block of 64 bytes. Padding here cannot fail.
    let mut block = [0; 64];
    block[..TAG_BYTES].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
