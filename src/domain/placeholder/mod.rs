//! Texts that stand for a missing value: `null`, or an unreplaced template variable.

mod placeholder_words;

use self::placeholder_words::{
    ENCODED_MARKS, FIRST_MARKS_INSIDE, LONGEST_WORD, MARKS_AROUND, MARKS_INSIDE, NULLS, PARTS,
    WORDS,
};
use crate::domain::invisible_characters::is_blank;

/// The longest text whose words are looked up, in bytes.
const NAMES_LIMIT: usize = 80;

/// Marks before a variable's name.
const MARKS_BEFORE: &[char] = &['$', ':', '@', '#', '%', '&', '=', '!', '\\', '?', '~'];

/// Whether a text is not a value: it cannot be an id or a recipient.
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    if is_wamid(text) || is_number(text) {
        return false;
    }
    is_absent(text) || is_variable(text) || is_rounded_number(text)
}

/// Whether a text is not a status word. Some providers have words such as `0` and `unknown`.
pub fn is_not_status_word(text: &str) -> bool {
    let text = text.trim_matches(|c: char| is_blank(c) || matches!(c, '"' | '\''));
    is_variable(text)
        || has_other_fields(text)
        || consists_of(text, &["", "nil", "null", "undefined"])
}

/// Whether a word has signs inside that show that the next field, or a part of it, became a part of it.
fn has_other_fields(word: &str) -> bool {
    let inner = word.trim_matches(|c: char| !c.is_alphanumeric());
    inner.contains(['"', '=', '<', '>', '{', '}', '\n'])
        || inner.contains("''")
        || inner.contains(":'")
}

/// Whether a text is not a reason. `unknown`, `invalid` and `(blocked)` are reasons.
pub fn is_not_reason(text: &str) -> bool {
    let text = text.trim();
    let may_be_variable = text.len() <= NAMES_LIMIT && !text.contains(['"', '(', '/']);
    let is_one_word = !text.contains(char::is_whitespace) || text.starts_with("{{");
    let is_variable = may_be_variable && is_one_word && is_variable(text);
    is_variable
        || consists_of(
            text,
            &[
                "",
                "0",
                "false",
                "na",
                "nil",
                "none",
                "null",
                "true",
                "undefined",
            ],
        )
}

/// Whether a text is an id of WhatsApp as it is usually written, which saves the other checks:
/// `wamid.` and the Base64 of bytes of which the first is always the same.
fn is_wamid(text: &str) -> bool {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    text.strip_prefix("wamid.HB")
        .is_some_and(|rest| rest.len() > LONGEST_WORD && rest.bytes().all(is_base64))
}

/// Whether a text consists of digits, not all of them zeros: a phone number or an id, which saves the other
/// checks.
fn is_number(text: &str) -> bool {
    are_digits(text) && text.bytes().any(|digit| digit != b'0')
}

/// Whether a text stands for no value. Runs for every id and recipient, so most texts are decided
/// without a copy.
fn is_absent(text: &str) -> bool {
    let letters = || text.chars().filter(|c| c.is_alphanumeric());
    let only_zeros = letters().all(|c| c == '0');
    let only_x = letters().all(|c| matches!(c, 'x' | 'X')) && letters().nth(2).is_some();
    let is_short = || letters().nth(LONGEST_WORD).is_none();
    only_zeros
        || only_x
        || is_null_after_prefix(text)
        || text == "-1"
        || (is_short() && is_in(WORDS, &lower_alphanumeric(text)))
        || (text.len() <= NAMES_LIMIT && consists_of_names(text))
}

/// Whether a text joins words for no value, as `nullnull`, or adds one to the prefix of an id, as
/// `wamid.null`.
fn is_null_after_prefix(text: &str) -> bool {
    let after_prefix = ["wamid.", "mid."]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    let mut rest = after_prefix.unwrap_or(text);
    if text.starts_with("wamid.") && is_marked(rest) {
        return true;
    }
    let is_candidate = rest.starts_with(['n', 'N', 'u', 'U']) && rest.len() <= NAMES_LIMIT;
    while is_candidate && !rest.is_empty() {
        let strip = |null: &&str| {
            let (head, tail) = rest.split_at_checked(null.len())?;
            head.eq_ignore_ascii_case(null).then_some(tail)
        };
        match NULLS.iter().find_map(strip) {
            Some(tail) => rest = tail,
            None => return false,
        }
    }
    is_candidate
}

/// Whether a spreadsheet has rounded a long number, as `6.04133E+17` or `6.04E17`. Form decoding replaces the
/// `+` by a space.
fn is_rounded_number(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else {
        return false;
    };
    let has_fraction = mantissa.contains(['.', ',']);
    let exponent = exponent
        .strip_prefix(['+', ' '])
        .or(Some(exponent).filter(|_| has_fraction));
    exponent.is_some_and(are_digits) && mantissa.split(['.', ',']).all(are_digits)
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_in(sorted: &[&str], word: &str) -> bool {
    sorted.binary_search(&word).is_ok()
}

/// Whether a text has only words that do not occur in ids.
fn consists_of_names(text: &str) -> bool {
    let has_index = text.contains('[');
    let (mut any, mut has_null) = (false, false);
    // `wamid` is a name only beside a null word; a short number, beside one or an index.
    let mut needs_null = false;
    let mut needs_null_or_index = false;
    for word in word_slices(text) {
        any = true;
        let is = |other: &&str| word.eq_ignore_ascii_case(other);
        match word {
            _ if NULLS.iter().any(is) => has_null = true,
            _ if is_part(word) => {}
            _ if is(&"wamid") => needs_null = true,
            _ if word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit()) => {
                needs_null_or_index = true;
            }
            _ => return false,
        }
    }
    any && (has_null || !needs_null) && (has_null || has_index || !needs_null_or_index)
}

/// The words of a text in lower case: `yourMessage_id` has three.
pub fn split_words(text: &str) -> impl Iterator<Item = String> {
    word_slices(text).map(str::to_lowercase)
}

fn word_slices(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        let mut last = rest.chars().next()?;
        let ends = |c: char| {
            let ends = !c.is_alphanumeric() || (c.is_uppercase() && last.is_lowercase());
            last = c;
            ends
        };
        let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
        rest = after;
        Some(word)
    })
}

fn is_part(word: &str) -> bool {
    let in_lower_case = |part: &str| {
        part.bytes()
            .cmp(word.bytes().map(|b| b.to_ascii_lowercase()))
    };
    PARTS.binary_search_by(|part| in_lower_case(part)).is_ok()
}

/// Whether the letters and digits of a text are one of these words in lower case.
fn consists_of(text: &str, words: &[&str]) -> bool {
    let letters = || text.chars().filter(|c| c.is_alphanumeric());
    words
        .iter()
        .any(|word| letters().flat_map(char::to_lowercase).eq(word.chars()))
}

/// Letters and digits, in lower case.
fn lower_alphanumeric(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether a text is an unreplaced template variable, or code instead of its result.
fn is_variable(text: &str) -> bool {
    let has_mark_inside = text.bytes().any(|byte| FIRST_MARKS_INSIDE.contains(&byte))
        && (has_variable_inside(text) || reads_element(text) || is_encoded_variable(text));
    has_mark_inside || calls_function(text) || is_marked(without_index(text))
}

fn has_variable_inside(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    MARKS_INSIDE.iter().any(|(open, close)| {
        lower
            .split_once(open)
            .is_some_and(|(_, rest)| rest.contains(close))
    })
}

/// Whether marks enclose a text, or one before it makes it the name of a variable.
fn is_marked(text: &str) -> bool {
    if text.starts_with(char::is_alphanumeric) {
        return false;
    }
    let is_enclosed = MARKS_AROUND.iter().any(|(open, close)| {
        text.len() > open.len() + close.len() && text.starts_with(open) && text.ends_with(close)
    });
    let is_numbered = text
        .strip_prefix('$')
        .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    // `%s`, `%1$s`
    let is_format = text.starts_with('%') && text.len() <= 5;
    // `#DIV/0!`, `#NAME?`
    let is_cell_error = text.starts_with('#') && text.ends_with(['!', '?']);
    is_enclosed
        || is_numbered
        || is_format
        || is_cell_error
        || text.strip_prefix(MARKS_BEFORE).is_some_and(is_name)
}

/// The text before `:0`, which providers add to the id of a message.
fn without_index(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((before, index)) if !before.is_empty() && are_digits(index) => before,
        _ => text,
    }
}

/// Whether a text is code such as `getId()`. Numbers have brackets, too, but not after a letter.
fn calls_function(text: &str) -> bool {
    text.match_indices('(').any(|(index, _)| {
        let before = text[..index].chars().next_back();
        before.is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | '%'))
            || text[index..].starts_with("()")
    })
}

/// Whether a text is code such as `$_POST['id']`.
fn reads_element(text: &str) -> bool {
    text.contains("['") || text.contains("[\"")
}

fn is_encoded_variable(text: &str) -> bool {
    if text.len() > NAMES_LIMIT {
        return false;
    }
    let encoded = text.to_ascii_lowercase();
    let decoded = ENCODED_MARKS
        .iter()
        .fold(encoded.clone(), |text, (encoded, mark)| {
            text.replace(encoded, mark)
        });
    // Each decoding makes the text shorter.
    decoded != encoded && is_variable(&decoded)
}

/// Whether a text could be the name of a variable.
fn is_name(text: &str) -> bool {
    let text = text.trim_start_matches(MARKS_BEFORE);
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn missing_values_and_variables_are_placeholders() {
        for text in [
            "null",
            "NULL",
            " Null ",
            "undefined",
            "{{message_id}}",
            "{{ $json.id }}",
            "wamid.{{id}}",
            "${messageId}",
            "%message_id%",
            "%7B%7Bid%7D%7D",
            "[messageId]",
            "N/A",
            "n.a.",
            "None",
            "-",
            "--",
            "0",
            "000",
            "00000000-0000-0000-0000-000000000000",
            "-1",
            "<message_id>",
            "nil",
            "$messageId",
            "{message_id}",
            ":id",
            "@id",
            "#{id}",
            "<%= id %>",
            "*|ID|*",
            "__ID__",
            "string",
            "message_id",
            "messageId",
            "[object Object]",
            "XXXX",
            "?",
            "…",
            "null null",
            "null:1",
            "undefined.undefined",
            "wamid.null",
            "NULL::text",
            "not applicable",
            "No value",
            "to be filled",
            "your_message_id",
            "yourMessageId",
            "messages[0].id",
            "body.data.id",
            "System.Object",
            "#REF!",
            "%!s(MISSING)",
            "&lt;message_id&gt;",
            "$1",
            "{id}:0",
            "<message_id>:0",
            "%message_id%:0",
            "$messageId:0",
            "%s:0",
            "%s",
            "%1$s",
            "%(id)s",
            "%5BmessageId%5D",
            "%3Cmessage_id%3E",
            "%25message_id%25",
            "&#123;&#123;id&#125;&#125;",
            "@{triggerBody()?['id']}",
            "$_POST['id']",
            "$msg->getId()",
            "$input.params('id')",
            "req.body.id",
            "entry[0].changes[0].value.statuses[0].id",
            "Array",
            "Array()",
            "Optional.empty",
            "function () { [native code] }",
            "Promise { <pending> }",
            "wamid.[object Object]",
            "wamid.NaN",
            "wamid.%s",
            "mid.null",
            "nullnull",
            "undefinednull",
            "#DIV/0!",
            "#NAME?",
            "not found",
            "Vacío",
            "нет",
            "なし",
            "6.04133E+17",
            "6,04133E+17",
            "6.04133E 17",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn a_placeholder_is_not_a_reason_and_a_short_word_may_be_one() {
        for text in [
            "null",
            "N/A",
            "-",
            "0",
            "true",
            "{{ error }}",
            "${error}",
            "<error>",
        ] {
            assert!(is_not_reason(text), "{text}");
        }
        for text in [
            "unknown",
            "Invalid",
            "(blocked)",
            "131026",
            "<p>Not found</p>",
        ] {
            assert!(!is_not_reason(text), "{text}");
        }
    }

    #[test]
    fn ids_and_recipients_of_real_callbacks_are_not_placeholders() {
        for text in [
            "wamid.HBgMOTE5NTYxODc4MDgwFQIAERgSRTUzMjRGMDc2OTIzNjBDRkZGAA==",
            "A1b2c3d4e5f6",
            "58f86fab-85c5-4f7c-9b68-9c323248afc4:0",
            "65f1a0b2c3d4e5f60718293a",
            "604132581490819178",
            "919970123456",
            "US.13491208655",
            "120363041234567890@g.us",
            "x1",
            "lp-77",
            "wamid.elsewhere",
            "nullable-7",
            "10",
            "message-0",
            "wamid.0",
            "wamid.XXX",
            "wamid.UNKNOWN",
            "unknown-message",
            "invalid-id",
            "id-7",
            "test",
            "null-island-7",
            "nullify",
            "mid.$cAAA7",
            "+1 (415) 555-0100",
            "wamid.HBgMOTE5NTYxODc4MDgwFQIAERgSRTUzMjRGMDc2OTIzNjBDRkZGAA%3D%3D",
            "6e17",
            "65e1+7a",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn the_lists_are_sorted_and_the_longest_word_and_the_first_marks_are_known() {
        assert!(WORDS.is_sorted() && PARTS.is_sorted());
        let longest = WORDS.iter().map(|word| word.len()).max();
        assert_eq!(longest, Some(LONGEST_WORD));
        for (open, _) in MARKS_INSIDE {
            assert!(FIRST_MARKS_INSIDE.contains(&open.as_bytes()[0]), "{open}");
        }
        for (open, _) in MARKS_AROUND {
            assert!(!open.starts_with(char::is_alphanumeric), "{open}");
        }
    }

    proptest! {
        #[test]
        fn a_name_between_marks_is_a_placeholder(
            name in "[a-zA-Z_][a-zA-Z0-9_.]{0,24}",
            (open, close) in prop::sample::select([MARKS_INSIDE, MARKS_AROUND].concat()),
            space in " {0,2}",
        ) {
            let text = format!("{open}{space}{name}{space}{close}");
            prop_assert!(is_placeholder(&text), "{}", text);
        }

        #[test]
        fn a_wamid_is_not_a_placeholder(bytes in "[A-Za-z0-9+/]{8,120}={0,2}") {
            let wamid = format!("wamid.{bytes}");
            prop_assert!(!is_placeholder(&wamid));
        }

        #[test]
        fn any_text_is_decided(text in "\\PC{0,40}") {
            let _ = is_placeholder(&text);
        }
    }
}
