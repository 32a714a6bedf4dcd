//! Keys of each purpose, derived from the one secret key; the tokens in callback and report URLs.
//!
//! Pure: where the secret key comes from is `config`'s and `data_dir`'s matter.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use uuid::Uuid;

use crate::domain::ids::{AccountId, MessageId};
use crate::domain::secret::Secret;

/// First byte of every report token, so that a later layout can be told apart.
const REPORT_VERSION: u8 = 1;
/// Bytes of an HMAC-SHA256.
const TAG_BYTES: usize = 32;
/// Bytes of a UUID.
const ID_BYTES: usize = 16;

/// Everything derived from the secret key. Never printed.
pub struct Keys {
    current: Derived,
    previous: Vec<Derived>,
}

/// The keys of one secret.
struct Derived {
    callback: [u8; TAG_BYTES],
    report: [u8; TAG_BYTES],
    media: [u8; TAG_BYTES],
    session: [u8; 64],
    fingerprint: [u8; ID_BYTES],
}

/// How a callback URL's token was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallbackUrl {
    /// The generation in its token.
    pub generation: u32,
    /// Whether it is the URL that is shown today.
    pub age: UrlAge,
}

/// Whether a callback URL is the one that is shown today.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UrlAge {
    /// It is.
    Current,
    /// It carries the previous generation, or was made with an earlier secret key; it still works.
    Old,
}

impl Keys {
    /// Derives the keys of `secret`, which makes tokens, and of `previous`, whose tokens still verify.
    pub fn derive(secret: &Secret, previous: &[Secret]) -> Self {
        Self {
            current: Derived::of(secret),
            previous: previous.iter().map(Derived::of).collect(),
        }
    }

    /// Tells two secret keys apart without telling either; for the database to keep.
    pub fn fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.current.fingerprint)
    }

    /// The fingerprints of the earlier secret keys, in their order.
    pub fn previous_fingerprints(&self) -> Vec<String> {
        self.previous
            .iter()
            .map(|keys| URL_SAFE_NO_PAD.encode(keys.fingerprint))
            .collect()
    }

    /// The key of the dashboard's session cookie, 64 bytes.
    pub fn session(&self) -> &[u8; 64] {
        &self.current.session
    }

    /// The key of signed media URLs, 32 bytes.
    pub fn media(&self) -> &[u8; 32] {
        &self.current.media
    }

    /// The last part of an account's callback URL.
    pub fn callback_token(&self, account: &AccountId, generation: u32) -> String {
        self.current.callback_token(account, generation)
    }

    /// Whether `token` opens the callback URL of `account`: that of the `current` generation or the one before it, unless `retired` names it.
    ///
    /// Takes the same time whatever the token, so that it cannot be guessed byte by byte.
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
        for (keys, place) in self.all().zip(0_usize..) {
            for &generation in &generations {
                let expected = keys.callback_token(account, generation);
                if bool::from(expected.as_bytes().ct_eq(token.as_bytes())) {
                    let newest = place == 0 && generation == current;
                    matched = Some(CallbackUrl {
                        generation,
                        age: if newest { UrlAge::Current } else { UrlAge::Old },
                    });
                }
            }
        }
        matched
    }

    /// The last part of the URL that takes one message's reports. Lives as long as the message is kept.
    pub fn report_token(&self, account: &AccountId, message: MessageId) -> String {
        let mut bytes = vec![REPORT_VERSION];
        bytes.extend_from_slice(message.uuid().as_bytes());
        bytes.extend_from_slice(account.as_str().as_bytes());
        let tag = authenticate(&self.current.report, &[&bytes]);
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The message that a report URL's token names; `None` when a single bit of it is not ours.
    pub fn verify_report_token(&self, token: &str) -> Option<(AccountId, MessageId)> {
        // Strict: a second spelling of the same bytes (padding, trailing bits) is refused.
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, tag) = bytes.split_last_chunk::<TAG_BYTES>()?;
        let genuine = self.all().fold(Choice::from(0), |genuine, keys| {
            genuine | authenticate(&keys.report, &[signed]).ct_eq(tag)
        });
        if !bool::from(genuine) {
            return None;
        }
        let (&version, rest) = signed.split_first()?;
        let (id, account) = rest.split_first_chunk::<ID_BYTES>()?;
        let account = std::str::from_utf8(account).ok()?.parse().ok()?;
        (version == REPORT_VERSION).then(|| (account, MessageId::from(Uuid::from_bytes(*id))))
    }

    fn all(&self) -> impl Iterator<Item = &Derived> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Keys({} previous)", self.previous.len())
    }
}

impl Derived {
    fn of(secret: &Secret) -> Self {
        let source = Hkdf::<Sha256>::new(Some(b"bluetick"), secret.expose().as_bytes());
        Self {
            callback: expand(&source, "callback"),
            report: expand(&source, "report"),
            media: expand(&source, "media"),
            session: expand(&source, "session"),
            fingerprint: expand(&source, "fingerprint"),
        }
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
    reason = "HKDF-SHA256 refuses only outputs above 8160 bytes"
)]
fn expand<const N: usize>(source: &Hkdf<Sha256>, purpose: &str) -> [u8; N] {
    let mut key = [0; N];
    source
        .expand(format!("bluetick {purpose} v1").as_bytes(), &mut key)
        .expect("the output is short");
    key
}

/// HMAC-SHA256 of the parts, one after the other.
fn authenticate(key: &[u8; TAG_BYTES], parts: &[&[u8]]) -> [u8; TAG_BYTES] {
    // HMAC pads a short key with zeros to its block of 64 bytes; doing so here leaves nothing that can fail.
    let mut block = [0; 64];
    block[..TAG_BYTES].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ .é";

    fn secret(letter: &str) -> Secret {
        Secret::new(letter.repeat(32))
    }

    fn keys() -> Keys {
        Keys::derive(&secret("a"), &[])
    }

    fn account(text: &str) -> AccountId {
        text.parse().unwrap()
    }

    fn message() -> MessageId {
        "019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f".parse().unwrap()
    }

    #[test]
    fn a_callback_url_opens_its_own_account_only() {
        let token = keys().callback_token(&account("k"), 1);
        assert_eq!(token.len(), 43);
        let found = keys().verify_callback_token(&account("k"), 1, &[], &token);
        let current = CallbackUrl {
            generation: 1,
            age: UrlAge::Current,
        };
        assert_eq!(found, Some(current));
        assert_eq!(
            keys().verify_callback_token(&account("k2"), 1, &[], &token),
            None
        );
        // The separator keeps `k` + generation 11 apart from `k1` + generation 1.
        let other = keys().callback_token(&account("k1"), 1);
        assert_ne!(other, keys().callback_token(&account("k"), 11));
        let elsewhere = Keys::derive(&secret("b"), &[]);
        assert_eq!(
            elsewhere.verify_callback_token(&account("k"), 1, &[], &token),
            None
        );
    }

    #[test]
    fn the_generation_before_works_until_it_is_retired() {
        let keys = keys();
        let verify = |generation: u32, current: u32, retired: &[u32]| {
            let token = keys.callback_token(&account("k"), generation);
            keys.verify_callback_token(&account("k"), current, retired, &token)
                .map(|url| (url.generation, url.age))
        };
        assert_eq!(verify(2, 2, &[]), Some((2, UrlAge::Current)));
        assert_eq!(verify(1, 2, &[]), Some((1, UrlAge::Old)));
        assert_eq!(verify(1, 2, &[1]), None);
        assert_eq!(verify(1, 3, &[]), None);
        assert_eq!(verify(3, 2, &[]), None);
        assert_eq!(verify(0, 1, &[]), None);
    }

    #[test]
    fn an_earlier_secret_key_still_verifies() {
        let old = Keys::derive(&secret("a"), &[]);
        let new = Keys::derive(&secret("b"), &[secret("a")]);
        let token = old.callback_token(&account("k"), 1);
        let found = new
            .verify_callback_token(&account("k"), 1, &[], &token)
            .unwrap();
        assert_eq!(found.age, UrlAge::Old);
        let report = old.report_token(&account("k"), message());
        assert_eq!(
            new.verify_report_token(&report),
            Some((account("k"), message()))
        );
        assert_eq!(new.previous_fingerprints(), [old.fingerprint()]);
        assert_ne!(new.fingerprint(), old.fingerprint());
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let derived = Derived::of(&secret("a"));
        let mut all = vec![
            derived.callback.to_vec(),
            derived.report.to_vec(),
            derived.media.to_vec(),
            derived.session[..32].to_vec(),
        ];
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn every_changed_character_of_a_report_url_is_refused() {
        let keys = keys();
        // Three lengths of account id leave each possible number of spare bits in the last character.
        for id in ["k", "ka", "kal"] {
            let token = keys.report_token(&account(id), message());
            assert_eq!(
                keys.verify_report_token(&token),
                Some((account(id), message()))
            );
            let characters: Vec<char> = token.chars().collect();
            for place in 0..characters.len() {
                for other in ALPHABET.chars().filter(|c| *c != characters[place]) {
                    let mut changed = characters.clone();
                    changed[place] = other;
                    let changed: String = changed.into_iter().collect();
                    assert_eq!(keys.verify_report_token(&changed), None, "{changed}");
                }
                assert_eq!(keys.verify_report_token(&token[..place]), None);
            }
            assert_eq!(keys.verify_report_token(&format!("{token}=")), None);
            assert_eq!(keys.verify_report_token(&format!("{token}A")), None);
        }
    }

    #[test]
    fn printing_keys_shows_none() {
        assert_eq!(format!("{:?}", keys()), "Keys(0 previous)");
    }

    proptest! {
        #[test]
        fn any_message_of_any_account_is_found_again(id in "[a-z0-9][a-z0-9-]{0,63}", bits: u128) {
            let message = MessageId::from(Uuid::from_u128(bits));
            let token = keys().report_token(&account(&id), message);
            prop_assert_eq!(keys().verify_report_token(&token), Some((account(&id), message)));
        }

        #[test]
        fn no_text_is_taken_for_a_token(text in ".{0,200}") {
            prop_assert_eq!(keys().verify_report_token(&text), None);
            prop_assert_eq!(keys().verify_callback_token(&account("k"), 2, &[], &text), None);
        }
    }
}
