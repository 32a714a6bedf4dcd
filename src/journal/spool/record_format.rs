//! Format of a callback in a spool file: head (marker, lengths, checksum), metadata as JSON, body as
//! received.
//!
//! `spool_file` owns files, `record_scan` skips unreadable bytes.

use std::borrow::Cow;
use std::io;

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use crate::domain::callback_record::{Authenticity, CallbackRecord, Route, UrlMistake};

/// Random bytes at the start of a file and of each record. They are secret, so a body cannot
/// imitate a record.
pub(super) type RecordMarker = [u8; 8];

/// Size of a head: marker, two lengths, checksum.
pub(super) const HEAD_BYTES: usize = 20;
/// Maximum length of metadata and body: that of the largest body, with a margin for headers.
const MAX_CONTENT_BYTES: u32 = 16 * 1024 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RecordHead {
    metadata_bytes: u32,
    body_bytes: u32,
    checksum: u32,
}

/// Metadata of a record.
#[derive(Serialize, Deserialize)]
struct RecordMetadata<'a> {
    id: Cow<'a, str>,
    account: Cow<'a, str>,
    route: StoredRoute<'a>,
    method: Cow<'a, str>,
    query: Cow<'a, str>,
    headers: Cow<'a, [(String, String)]>,
    remote: Option<Cow<'a, str>>,
    /// Milliseconds since the epoch.
    received_at: i64,
    /// Why it is unverified; absent if verified.
    refusal: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoredRoute<'a> {
    Callback,
    OldCallback,
    CallbackWithSpace,
    CallbackWithSlash,
    Report(Cow<'a, str>),
}

pub(super) fn encode<'r>(
    marker: RecordMarker,
    records: impl Iterator<Item = &'r CallbackRecord>,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for record in records {
        write(&mut bytes, marker, record)?;
    }
    Ok(bytes)
}

fn write(out: &mut Vec<u8>, marker: RecordMarker, record: &CallbackRecord) -> io::Result<()> {
    let metadata = serde_json::to_vec(&RecordMetadata::from(record))?;
    let (Ok(metadata_bytes), Ok(body_bytes)) = (
        u32::try_from(metadata.len()),
        u32::try_from(record.body.len()),
    ) else {
        return Err(io::ErrorKind::FileTooLarge.into());
    };
    let head = RecordHead {
        metadata_bytes,
        body_bytes,
        checksum: checksum(metadata_bytes, body_bytes, &[&metadata, &record.body]),
    };
    if head.content_bytes().is_none() {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    out.reserve(HEAD_BYTES + metadata.len() + record.body.len());
    out.extend_from_slice(&marker);
    out.extend_from_slice(&metadata_bytes.to_le_bytes());
    out.extend_from_slice(&body_bytes.to_le_bytes());
    out.extend_from_slice(&head.checksum.to_le_bytes());
    out.extend_from_slice(&metadata);
    out.extend_from_slice(&record.body);
    Ok(())
}

impl RecordHead {
    /// `None` if the bytes are not the head of a record of this file.
    pub(super) fn parse(bytes: [u8; HEAD_BYTES], marker: RecordMarker) -> Option<Self> {
        let number = |at: usize| {
            let mut number = [0; 4];
            number.copy_from_slice(&bytes[at..at + 4]);
            u32::from_le_bytes(number)
        };
        let head = Self {
            metadata_bytes: number(8),
            body_bytes: number(12),
            checksum: number(16),
        };
        (bytes[..8] == marker && head.content_bytes().is_some()).then_some(head)
    }

    /// Bytes after the head; `None` if the length is impossible.
    pub(super) fn content_bytes(self) -> Option<usize> {
        let bytes = self.metadata_bytes.checked_add(self.body_bytes)?;
        (bytes <= MAX_CONTENT_BYTES).then_some(bytes as usize)
    }

    /// `None` if the checksum does not match.
    pub(super) fn read(self, content: &[u8]) -> Option<CallbackRecord> {
        if Some(content.len()) != self.content_bytes()
            || self.checksum != checksum(self.metadata_bytes, self.body_bytes, &[content])
        {
            return None;
        }
        let (metadata, body) = content.split_at(self.metadata_bytes as usize);
        let metadata: RecordMetadata<'_> = serde_json::from_slice(metadata).ok()?;
        metadata.into_record(body)
    }
}

/// Covers the lengths too, so that a changed length does not make other bytes valid as a record.
fn checksum(metadata_bytes: u32, body_bytes: u32, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&metadata_bytes.to_le_bytes());
    hasher.update(&body_bytes.to_le_bytes());
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

impl<'a> From<&'a CallbackRecord> for RecordMetadata<'a> {
    fn from(record: &'a CallbackRecord) -> Self {
        Self {
            id: record.id.to_string().into(),
            account: record.account.as_str().into(),
            route: match record.route {
                Route::Callback => StoredRoute::Callback,
                Route::OldCallback => StoredRoute::OldCallback,
                Route::MistypedCallback(UrlMistake::WhiteSpace) => StoredRoute::CallbackWithSpace,
                Route::MistypedCallback(UrlMistake::DoubledSlash) => StoredRoute::CallbackWithSlash,
                Route::Report(message) => StoredRoute::Report(message.to_string().into()),
            },
            method: record.method.as_str().into(),
            query: record.query.as_str().into(),
            headers: record.headers.as_slice().into(),
            remote: record.remote.as_deref().map(Cow::from),
            received_at: record.received_at.timestamp_millis(),
            refusal: match &record.authenticity {
                Authenticity::Verified => None,
                Authenticity::Unverified { reason } => Some(reason.as_str().into()),
            },
        }
    }
}

impl RecordMetadata<'_> {
    fn into_record(self, body: &[u8]) -> Option<CallbackRecord> {
        Some(CallbackRecord {
            id: self.id.parse().ok()?,
            account: self.account.parse().ok()?,
            route: match self.route {
                StoredRoute::Callback => Route::Callback,
                StoredRoute::OldCallback => Route::OldCallback,
                StoredRoute::CallbackWithSpace => Route::MistypedCallback(UrlMistake::WhiteSpace),
                StoredRoute::CallbackWithSlash => Route::MistypedCallback(UrlMistake::DoubledSlash),
                StoredRoute::Report(message) => Route::Report(message.parse().ok()?),
            },
            method: self.method.into_owned(),
            query: self.query.into_owned(),
            headers: self.headers.into_owned(),
            remote: self.remote.map(Cow::into_owned),
            received_at: DateTime::from_timestamp_millis(self.received_at)?,
            body: body.to_vec(),
            authenticity: match self.refusal {
                None => Authenticity::Verified,
                Some(reason) => Authenticity::Unverified {
                    reason: reason.into_owned(),
                },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::{CallbackId, MessageId};

    const MARKER: RecordMarker = *b"a marker";

    fn records() -> impl Strategy<Value = CallbackRecord> {
        let route = prop_oneof![
            Just(Route::Callback),
            Just(Route::OldCallback),
            Just(Route::MistypedCallback(UrlMistake::WhiteSpace)),
            Just(Route::MistypedCallback(UrlMistake::DoubledSlash)),
            any::<u128>().prop_map(|id| Route::Report(MessageId::from(Uuid::from_u128(id)))),
        ];
        let authenticity = prop_oneof![
            Just(Authenticity::Verified),
            any::<String>().prop_map(|reason| Authenticity::Unverified { reason }),
        ];
        let texts = ("[a-z0-9][a-z0-9-]{0,63}", any::<String>(), any::<String>());
        let headers = prop::collection::vec((any::<String>(), any::<String>()), 0..5);
        let body = prop::collection::vec(any::<u8>(), 0..300);
        (
            any::<u128>(),
            texts,
            headers,
            any::<Option<String>>(),
            0_i64..4_000_000_000_000,
            (route, authenticity, body),
        )
            .prop_map(
                |(id, texts, headers, remote, millis, rest)| CallbackRecord {
                    id: CallbackId::from(Uuid::from_u128(id)),
                    account: texts.0.parse().unwrap(),
                    route: rest.0,
                    method: texts.1,
                    query: texts.2,
                    headers,
                    remote,
                    received_at: DateTime::from_timestamp_millis(millis).unwrap(),
                    body: rest.2,
                    authenticity: rest.1,
                },
            )
    }

    fn written(record: &CallbackRecord) -> Vec<u8> {
        encode(MARKER, [record].into_iter()).unwrap()
    }

    fn read(bytes: &[u8]) -> Option<CallbackRecord> {
        let (head, content) = bytes.split_first_chunk()?;
        RecordHead::parse(*head, MARKER)?.read(content)
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written(record in records()) {
            prop_assert_eq!(read(&written(&record)), Some(record));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(read(&bytes), None);
            let marked = [MARKER.as_slice(), &bytes].concat();
            prop_assert_eq!(read(&marked), None);
        }

        #[test]
        fn a_flipped_bit_is_detected(record in records(), bit in any::<prop::sample::Index>()) {
            let mut bytes = written(&record);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(read(&bytes), None);
        }

        #[test]
        fn a_truncated_record_is_detected(record in records(), cut in any::<prop::sample::Index>()) {
            let bytes = written(&record);
            prop_assert_eq!(read(&bytes[..cut.index(bytes.len())]), None);
        }
    }
}
