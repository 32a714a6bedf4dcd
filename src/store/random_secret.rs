//! Random secrets of API tokens and sign-in links, and the hashes that are stored instead of them.

use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};

/// 43 characters of an alphabet of 62 carry 256 bits.
const SECRET_CHARACTERS: usize = 43;

/// Letters and digits only, so that a double click selects the whole text.
pub(super) fn generate_secret() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), SECRET_CHARACTERS)
}

/// A secret of 256 random bits needs no slow hash.
pub(super) fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}
