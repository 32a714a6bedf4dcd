//! The correlation tag: `bt:` and the message id in 26 characters of Crockford's base32, carried in a reference slot.
//!
//! Kaleyra's callbacks name other ids than its send reply did, but echo the caller's references; the tag is what finds the message again.

use crate::domain::ids::MessageId;
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const MARK: &str = "bt:";
const DIGITS: usize = 26;

/// Characters that a tag takes.
pub const TAG_LENGTH: usize = MARK.len() + DIGITS;

/// The tag of a message.
pub fn write(id: MessageId) -> String {
    let value = id.uuid().as_u128();
    let digits = (0..DIGITS).rev().map(|place| {
        let digit = (value >> (place * 5)) & 31;
        char::from(ALPHABET[usize::try_from(digit).unwrap_or_default()])
    });
    MARK.chars().chain(digits).collect()
}

/// The message that the last well-formed tag in `text` names.
pub fn find(text: &str) -> Option<MessageId> {
    text.rmatch_indices(MARK).find_map(|(at, _)| {
        let digits = text.get(at + MARK.len()..at + TAG_LENGTH)?;
        let ends = text[at + TAG_LENGTH..]
            .chars()
            .next()
            .is_none_or(|next| !next.is_ascii_alphanumeric());
        if ends { decode(digits) } else { None }
    })
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
    fn a_tag_is_found_again_behind_the_callers_own_text() {
        let tag = write(id());
        assert_eq!(tag.len(), TAG_LENGTH);
        assert_eq!(find(&format!("order 7 {tag}")), Some(id()));
    }

    #[test]
    fn the_last_tag_wins_and_a_broken_one_is_passed_over() {
        let other: MessageId = "019a9f3e-0000-7000-8000-000000000001".parse().unwrap();
        let text = format!("{} {} bt:short", write(other), write(id()));
        assert_eq!(find(&text), Some(id()));
    }

    #[test]
    fn a_longer_word_is_no_tag() {
        assert_eq!(find(&format!("{}x", write(id()))), None);
        assert_eq!(find("bt:zzzzzzzzzzzzzzzzzzzzzzzzzz"), None);
    }
}
