//! Hiding people inside texts that others wrote.

use crate::domain::ids::ProviderMessageId;
use crate::domain::phone::mask;

/// How a wamid begins wherever it stands in a text.
const WAMID: &str = "wamid.";
/// Fewer digits are a code, not a phone number.
const PHONE_DIGITS: usize = 7;

/// A provider's words with every phone number and wamid in them masked.
pub fn mask_quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with(WAMID) {
            length_of(rest, |c| c.is_ascii_alphanumeric() || "+/=_.-".contains(c))
        } else if first == '+' {
            1 + length_of(&rest[1..], |c| c.is_ascii_digit() || " -().".contains(c))
        } else if first.is_ascii_digit() {
            length_of(rest, |c| c.is_ascii_digit())
        } else {
            first.len_utf8()
        };
        let (piece, after) = rest.split_at(length);
        shown.push_str(&mask_piece(piece));
        rest = after;
    }
    shown
}

fn mask_piece(piece: &str) -> String {
    if piece.starts_with(WAMID) {
        return ProviderMessageId::parse(piece)
            .map_or_else(|_| format!("{WAMID}…"), |id| id.masked());
    }
    let digits: String = piece.chars().filter(char::is_ascii_digit).collect();
    if digits.len() < PHONE_DIGITS {
        return piece.to_owned();
    }
    // What followed the last digit (a space, a full stop) belongs to the sentence.
    let last = piece
        .rfind(|c: char| c.is_ascii_digit())
        .map_or(piece.len(), |at| at + 1);
    format!("{}{}", mask(&digits), &piece[last..])
}

fn length_of(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_wamids_are_hidden_and_codes_stay() {
        for (text, shown) in [
            (
                "to 919970123456, code 131026.",
                "to 9199•••••456, code 131026.",
            ),
            ("+91 99701 23456. Gone", "9199•••••456. Gone"),
            (
                "(wamid.HBgMOTE5OTcwMTIzNDU2FQIA) gone",
                "(wamid.…NDU2FQIA) gone",
            ),
            ("héllo + 5 ✓", "héllo + 5 ✓"),
        ] {
            assert_eq!(mask_quoted(text), shown);
        }
    }
}
