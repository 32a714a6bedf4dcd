//! Cursors of lists: the position where a page ended, bound to the filters of the list.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::store::messages::Cursor;

/// In bytes.
const FINGERPRINT_LENGTH: usize = 8;

/// A hash of the filters, independent of their order and spelling; the end of every cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fingerprint([u8; FINGERPRINT_LENGTH]);

impl Fingerprint {
    /// A hash of the canonical value of every filter, by name.
    pub(super) fn of(filters: &BTreeMap<String, String>) -> Self {
        let mut hash = Sha256::new();
        for (name, value) in filters {
            for text in [name, value] {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text);
            }
        }
        let mut fingerprint = [0; FINGERPRINT_LENGTH];
        fingerprint.copy_from_slice(&hash.finalize()[..FINGERPRINT_LENGTH]);
        Self(fingerprint)
    }

    /// Opaque to the caller; valid only with the same filters.
    pub(crate) fn write_cursor(self, position: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode([position, &self.0].concat())
    }

    pub(super) fn read_cursor(self, word: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(word).ok()?;
        let position = bytes.len().checked_sub(FINGERPRINT_LENGTH)?;
        let bound = bytes.split_off(position);
        (bound == self.0).then_some(bytes)
    }
}

/// The position of a message.
pub(crate) fn write_position(cursor: Cursor) -> Vec<u8> {
    let millis = cursor.at.timestamp_millis().to_be_bytes();
    [millis.as_slice(), cursor.id.uuid().as_bytes()].concat()
}

/// The inverse of [`write_position`].
pub(crate) fn read_position(position: &[u8]) -> Option<Cursor> {
    let (millis, id) = position.split_first_chunk::<8>()?;
    Some(Cursor {
        at: DateTime::from_timestamp_millis(i64::from_be_bytes(*millis))?,
        id: Uuid::from_bytes(id.try_into().ok()?).into(),
    })
}
