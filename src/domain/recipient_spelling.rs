//! Which texts name the same recipient: some countries' numbers are written with and without an
//! extra digit. Spellings of message ids are in [`ids`](crate::domain::ids).

/// A country whose mobile numbers are written with and without an extra digit: Brazil's ninth
/// digit, Argentina's 9, Mexico's 1.
struct ExtraDigit {
    country: &'static str,
    /// Digits of the area code before the extra digit.
    area: usize,
    digit: char,
    /// Digits after the country code without the extra digit.
    length: usize,
    /// Valid first digits after the area code.
    first: &'static str,
}

/// Brazil's landlines begin with 2 to 5 and have no ninth digit.
const EXTRA_DIGITS: [ExtraDigit; 3] = [
    ExtraDigit {
        country: "55",
        area: 2,
        digit: '9',
        length: 10,
        first: "6789",
    },
    ExtraDigit {
        country: "54",
        area: 0,
        digit: '9',
        length: 10,
        first: "123456789",
    },
    ExtraDigit {
        country: "52",
        area: 0,
        digit: '1',
        length: 10,
        first: "123456789",
    },
];

/// All spellings of a recipient, the given one first.
///
/// WhatsApp's id of a Brazilian, Argentinian or Mexican number can have one digit more or less than
/// the dialled number.
pub fn spellings(recipient: &str) -> Vec<String> {
    let other = EXTRA_DIGITS
        .iter()
        .find_map(|extra| extra.other_spelling(recipient));
    std::iter::once(recipient.to_owned()).chain(other).collect()
}

/// Whether two texts name the same recipient. Anything but a phone number is compared exactly.
pub fn is_same_recipient(one: &str, other: &str) -> bool {
    one == other
        || EXTRA_DIGITS
            .iter()
            .any(|extra| extra.other_spelling(one).as_deref() == Some(other))
}

/// The spelling under which an id is linked: of the two spellings of a number, the first in
/// alphabetical order.
pub fn canonical_spelling(identity: &str) -> String {
    let spellings = spellings(identity).into_iter();
    spellings.min().unwrap_or_else(|| identity.to_owned())
}

impl ExtraDigit {
    /// The number with the extra digit added or removed.
    fn other_spelling(&self, recipient: &str) -> Option<String> {
        let national = recipient.strip_prefix(self.country)?;
        if !national.bytes().all(|byte| byte.is_ascii_digit()) || national.len() < self.length {
            return None;
        }
        let (area, number) = national.split_at(self.area);
        let may_begin = |number: &str| number.starts_with(|c| self.first.contains(c));
        let other = match national.len() - self.length {
            0 if may_begin(number) => format!("{}{number}", self.digit),
            1 => number
                .strip_prefix(self.digit)
                .filter(|number| may_begin(number))?
                .to_owned(),
            _ => return None,
        };
        Some(format!("{}{area}{other}", self.country))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brazil_argentina_and_mexico_have_two_spellings_of_one_number() {
        for (short, long) in [
            ("551187654321", "5511987654321"),
            ("541123456789", "5491123456789"),
            ("525512345678", "5215512345678"),
        ] {
            assert_eq!(spellings(short), [short, long]);
            assert_eq!(spellings(long), [long, short]);
            assert!(is_same_recipient(short, long) && is_same_recipient(long, short));
        }
    }

    #[test]
    fn similar_numbers_are_different_recipients() {
        for (one, other) in [
            // A landline of São Paulo has no ninth digit.
            ("551132654321", "5511932654321"),
            ("551187654321", "5511887654321"),
            ("919970123456", "9199970123456"),
            ("5511987654321", "5511987654322"),
            ("52155", "5255"),
            ("US.5215512345678", "US.525512345678"),
        ] {
            assert!(!is_same_recipient(one, other), "{one} {other}");
            assert!(!is_same_recipient(other, one), "{one} {other}");
        }
        for alone in ["447700900123", "US.13491208655", "", "55", "55é1187654321"] {
            assert_eq!(spellings(alone), [alone]);
        }
    }
}
