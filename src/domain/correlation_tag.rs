//! The correlation tag: `bt:` and the message id in 26 characters of Crockford's base32, carried in
//! a reference.
//!
//! Kaleyra's callbacks do not contain the id of its send reply, but they echo the references, so
//! the tag identifies the message.

use uuid::Uuid;

use crate::domain::ids::MessageId;
use crate::domain::message::{REFERENCE_LIMIT, References};
use crate::domain::provider_account::CorrelationSlot;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const PREFIX: &str = "bt:";
const DIGITS: usize = 26;

/// In characters.
pub const TAG_LENGTH: usize = PREFIX.len() + DIGITS;

pub fn format_tag(id: MessageId) -> String {
    let value = id.uuid().as_u128();
    let digits = (0..DIGITS).rev().map(|position| {
        let digit = (value >> (position * 5)) & 31;
        char::from(ALPHABET[usize::try_from(digit).unwrap_or_default()])
    });
    PREFIX.chars().chain(digits).collect()
}

/// Finds the last well-formed tag in a text.
pub fn find(text: &str) -> Option<MessageId> {
    text.rmatch_indices(PREFIX).find_map(|(at, _)| {
        let digits = text.get(at + PREFIX.len()..at + TAG_LENGTH)?;
        let is_complete = text[at + TAG_LENGTH..]
            .chars()
            .next()
            .is_none_or(|next| !next.is_ascii_alphanumeric());
        if is_complete { decode(digits) } else { None }
    })
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "refs have no room for the correlation tag: shorten one by {} characters or leave one empty",
    TAG_LENGTH + 1
)]
pub struct NoRoomForTag;

/// Adds the tag of `id` to one reference, so that [`find_in_references`] finds it.
///
/// [`CorrelationSlot::Auto`] takes the first empty one of ref2, ref1, ref, else appends to the
/// first of them with room.
pub fn insert_tag(
    slot: CorrelationSlot,
    references: &References,
    id: MessageId,
) -> Result<References, NoRoomForTag> {
    let slots: &[CorrelationSlot] = match slot {
        CorrelationSlot::Auto => &[
            CorrelationSlot::Ref2,
            CorrelationSlot::Ref1,
            CorrelationSlot::Ref,
        ],
        CorrelationSlot::Ref => &[CorrelationSlot::Ref],
        CorrelationSlot::Ref1 => &[CorrelationSlot::Ref1],
        CorrelationSlot::Ref2 => &[CorrelationSlot::Ref2],
    };
    let is_empty = |slot: &&CorrelationSlot| text_in(**slot, references).is_none_or(str::is_empty);
    slots
        .iter()
        .filter(is_empty)
        .chain(slots.iter().filter(|slot| !is_empty(slot)))
        .filter_map(|slot| append_to(*slot, references, id))
        // A caller's own text may contain an older tag; the new one must take precedence.
        .find(|tagged| find_in_references(tagged) == Some(id))
        .ok_or(NoRoomForTag)
}

/// Finds the last tag in ref, ref1, ref2.
pub fn find_in_references(references: &References) -> Option<MessageId> {
    [
        &references.reference2,
        &references.reference1,
        &references.reference,
    ]
    .into_iter()
    .find_map(|text| find(text.as_deref()?))
}

fn text_in(slot: CorrelationSlot, references: &References) -> Option<&str> {
    match slot {
        CorrelationSlot::Ref => references.reference.as_deref(),
        CorrelationSlot::Ref1 => references.reference1.as_deref(),
        CorrelationSlot::Auto | CorrelationSlot::Ref2 => references.reference2.as_deref(),
    }
}

fn append_to(slot: CorrelationSlot, references: &References, id: MessageId) -> Option<References> {
    let text = match text_in(slot, references).unwrap_or_default() {
        "" => format_tag(id),
        own => format!("{own} {}", format_tag(id)),
    };
    if text.chars().count() > REFERENCE_LIMIT {
        return None;
    }
    let mut tagged = references.clone();
    match slot {
        CorrelationSlot::Ref => tagged.reference = Some(text),
        CorrelationSlot::Ref1 => tagged.reference1 = Some(text),
        CorrelationSlot::Auto | CorrelationSlot::Ref2 => tagged.reference2 = Some(text),
    }
    Some(tagged)
}

fn decode(digits: &str) -> Option<MessageId> {
    let value = digits
        .bytes()
        .try_fold((0_u128, 0_usize), |(value, count), byte| {
            let digit = ALPHABET.iter().position(|&known| known == byte)?;
            // 26 digits hold 130 bits; the first may only use three of its five.
            if count == 0 && digit > 7 {
                return None;
            }
            Some(((value << 5) | u128::try_from(digit).ok()?, count + 1))
        })?;
    Some(MessageId::from(Uuid::from_u128(value.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> MessageId {
        "019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f".parse().unwrap()
    }

    #[test]
    fn a_tag_is_found_after_the_callers_own_text() {
        let tag = format_tag(id());
        assert_eq!(tag.len(), TAG_LENGTH);
        assert_eq!(find(&format!("order 7 {tag}")), Some(id()));
    }

    #[test]
    fn the_last_tag_wins_and_a_malformed_one_is_skipped() {
        let other: MessageId = "019a9f3e-0000-7000-8000-000000000001".parse().unwrap();
        let text = format!("{} {} bt:short", format_tag(other), format_tag(id()));
        assert_eq!(find(&text), Some(id()));
    }

    fn references(reference: &str, reference1: &str, reference2: &str) -> References {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        References {
            reference: text(reference),
            reference1: text(reference1),
            reference2: text(reference2),
        }
    }

    #[test]
    fn the_tag_uses_the_last_empty_reference() {
        let tag = format_tag(id());
        for (own, expected) in [
            (["", "", ""], ["", "", tag.as_str()]),
            (["a", "b", ""], ["a", "b", &tag]),
            (["a", "", "c"], ["a", &tag, "c"]),
            (["", "b", "c"], [&tag, "b", "c"]),
            (["a", "b", "c"], ["a", "b", &format!("c {tag}")]),
        ] {
            assert_eq!(
                insert_tag(
                    CorrelationSlot::Auto,
                    &references(own[0], own[1], own[2]),
                    id()
                ),
                Ok(references(expected[0], expected[1], expected[2]))
            );
        }
    }

    #[test]
    fn a_full_slot_is_skipped_and_three_full_slots_leave_no_room() {
        let fits = "ä".repeat(REFERENCE_LIMIT - TAG_LENGTH - 1);
        let full = "ä".repeat(REFERENCE_LIMIT - TAG_LENGTH);
        let placed = insert_tag(
            CorrelationSlot::Auto,
            &references(&full, &fits, &full),
            id(),
        )
        .unwrap();
        assert_eq!(placed.reference1.unwrap().chars().count(), REFERENCE_LIMIT);
        assert_eq!(
            insert_tag(
                CorrelationSlot::Auto,
                &references(&full, &full, &full),
                id()
            ),
            Err(NoRoomForTag)
        );
        assert_eq!(
            insert_tag(CorrelationSlot::Ref1, &references("", &full, ""), id()),
            Err(NoRoomForTag)
        );
    }

    #[test]
    fn an_older_tag_in_the_callers_text_does_not_win() {
        let other: MessageId = "019a9f3e-0000-7000-8000-000000000001".parse().unwrap();
        let placed = insert_tag(
            CorrelationSlot::Auto,
            &references("", "", &format_tag(other)),
            id(),
        )
        .unwrap();
        assert_eq!(find_in_references(&placed), Some(id()));
    }

    #[test]
    fn a_longer_word_is_not_a_tag() {
        assert_eq!(find(&format!("{}x", format_tag(id()))), None);
        assert_eq!(find("bt:zzzzzzzzzzzzzzzzzzzzzzzzzz"), None);
    }
}
