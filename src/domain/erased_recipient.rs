//! Replacements for erased recipients in the receipts of a message.
//!
//! **Invariant:** the number of distinct recipients stays the same, in a group too.

use std::collections::BTreeMap;

use crate::domain::phone;
use crate::domain::recipient_spelling;

const NUMBER_PREFIX: &str = "erased number ";
const USER_ID_PREFIX: &str = "erased user id ";

/// Whether it is, or was, a phone number.
pub fn is_number(recipient: &str) -> bool {
    phone::are_digits(recipient) || recipient.starts_with(NUMBER_PREFIX)
}

fn is_replacement(recipient: &str) -> bool {
    recipient.starts_with(NUMBER_PREFIX) || recipient.starts_with(USER_ID_PREFIX)
}

/// The replacement of each recipient of one message that is to be erased.
pub fn replacements<'a>(
    recipients: &[&'a str],
    is_erased: impl Fn(&str) -> bool,
) -> BTreeMap<&'a str, String> {
    let mut replaced: BTreeMap<&str, String> = BTreeMap::new();
    for recipient in recipients {
        if is_replacement(recipient) || !is_erased(recipient) {
            continue;
        }
        let same = replaced
            .iter()
            .find(|(earlier, _)| recipient_spelling::is_same_recipient(earlier, recipient));
        let replacement = same.map(|(_, replacement)| replacement.clone());
        let replacement = replacement.unwrap_or_else(|| {
            let is_number = phone::are_digits(recipient);
            let prefix = if is_number {
                NUMBER_PREFIX
            } else {
                USER_ID_PREFIX
            };
            let is_free = |text: &String| {
                !recipients.contains(&text.as_str()) && !replaced.values().any(|used| used == text)
            };
            let mut texts = (1..).map(|number: u32| format!("{prefix}{number}"));
            texts.find(is_free).unwrap_or_default()
        });
        replaced.insert(recipient, replacement);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_differ_as_the_recipients_did() {
        let recipients = [
            "erased number 1",
            "5511987654321",
            "551187654321",
            "447700900123",
            "919970000001",
            "GB.1",
        ];
        let replaced = replacements(&recipients, |recipient| recipient != "919970000001");
        let replaced: Vec<(&str, &str)> = replaced
            .iter()
            .map(|(recipient, replacement)| (*recipient, replacement.as_str()))
            .collect();
        assert_eq!(
            replaced,
            [
                ("447700900123", "erased number 3"),
                ("551187654321", "erased number 2"),
                ("5511987654321", "erased number 2"),
                ("GB.1", "erased user id 1"),
            ]
        );
    }
}
