//! Random texts of tokens and links, and the hashes that are stored of them.

use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};

/// 43 of 62 characters are 256 bits.
const SECRET_CHARACTERS: usize = 43;

/// Letters and digits only, so that a double click selects the whole text.
pub(super) fn random_text() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), SECRET_CHARACTERS)
}

/// A random text of 256 bits needs no slow hash.
pub(super) fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}
