//! Seeded random numbers. Each generator belongs to (seed, provider, number of the send, purpose),
//! so that results do not depend on timing or on other generators.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub(crate) struct SeededRng(StdRng);

impl SeededRng {
    pub(crate) fn new(seed: u64, provider: &str, ordinal: u64, purpose: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(seed.to_be_bytes())
            .chain_update(provider)
            .chain_update([0])
            .chain_update(ordinal.to_be_bytes())
            .chain_update(purpose)
            .finalize();
        Self(StdRng::from_seed(digest.into()))
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.0.random_bool(share.clamp(0.0, 1.0))
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0.random_range(low..high)
    }

    /// `end` must be above 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    /// Returns a random element.
    ///
    /// **Invariant:** `all` is never empty; every caller passes a constant table.
    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    pub(crate) fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length)
            .map(|_| char::from(*self.pick(alphabet)))
            .collect()
    }

    pub(crate) fn hex(&mut self, length: usize) -> String {
        self.text(b"0123456789abcdef", length)
    }

    pub(crate) fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.0.random()).into_uuid()
    }

    /// WhatsApp's format: base64 of the recipient's number and 18 hexadecimal digits.
    pub(crate) fn wamid(&mut self, digits: &str) -> String {
        let mut bytes = vec![0x1c, 0x18, u8::try_from(digits.len()).unwrap_or(u8::MAX)];
        bytes.extend_from_slice(digits.as_bytes());
        bytes.extend_from_slice(&[0x15, 0x02, 0x00, 0x11, 0x18, 0x12]);
        bytes.extend_from_slice(self.text(b"0123456789ABCDEF", 18).as_bytes());
        bytes.push(0);
        format!("wamid.{}", STANDARD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_purpose_give_the_same_numbers() {
        let numbers = |purpose| SeededRng::new(7, "sobot", 3, purpose).hex(32);
        assert_eq!(numbers("outcome"), numbers("outcome"));
        assert_ne!(numbers("outcome"), numbers("reply"));
    }

    #[test]
    fn a_wamid_has_the_documented_form() {
        let wamid = SeededRng::new(1, "sobot", 1, "ids").wamid("919970000001");
        assert!(wamid.starts_with("wamid.HBgMOTE5OTcwMDAwMDAxFQIAERgS"));
        assert!(wamid.len() <= 128);
    }
}
