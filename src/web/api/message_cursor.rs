//! The place in a list of messages where a page ended, as bytes of a cursor.

use chrono::DateTime;
use uuid::Uuid;

use crate::store::messages::Cursor;

pub(crate) fn write_place(cursor: Cursor) -> Vec<u8> {
    let millis = cursor.at.timestamp_millis().to_be_bytes();
    [millis.as_slice(), cursor.id.uuid().as_bytes()].concat()
}

/// The inverse of [`write_place`].
pub(crate) fn read_place(place: &[u8]) -> Option<Cursor> {
    let (millis, id) = place.split_first_chunk::<8>()?;
    Some(Cursor {
        at: DateTime::from_timestamp_millis(i64::from_be_bytes(*millis))?,
        id: Uuid::from_bytes(id.try_into().ok()?).into(),
    })
}
