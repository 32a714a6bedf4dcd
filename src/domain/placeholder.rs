//! Texts that stand for a missing value: `null`, or an unreplaced template variable.

/// Words for "no value", names of the id variable, and type names or sample values, in lower case
/// without punctuation. Sorted.
const WORDS: &[&str] = &[
    "blank",
    "default",
    "empty",
    "example",
    "externalid",
    "false",
    "guid",
    "id",
    "integer",
    "messageid",
    "messageuuid",
    "missing",
    "msgid",
    "na",
    "nan",
    "nil",
    "noid",
    "none",
    "notavailable",
    "notset",
    "null",
    "number",
    "objectobject",
    "placeholder",
    "recipient",
    "sample",
    "string",
    "tbd",
    "text",
    "todo",
    "true",
    "undefined",
    "unknown",
    "unset",
    "uuid",
    "value",
    "void",
    "waid",
    "wamessageid",
    "wamid",
    "whatsappid",
    "whatsappmessageid",
];

/// Words in the names of variables, columns and paths, and in phrases for a missing value. A text
/// with no other words is not an id, such as `messages[0].id` or `your_message_id`. Sorted.
const PARTS: &[&str] = &[
    "anonymous",
    "api",
    "applicable",
    "available",
    "be",
    "blank",
    "body",
    "column",
    "data",
    "default",
    "empty",
    "enter",
    "event",
    "external",
    "field",
    "filled",
    "here",
    "id",
    "identifier",
    "ids",
    "inf",
    "infinity",
    "insert",
    "json",
    "message",
    "messages",
    "msg",
    "name",
    "no",
    "not",
    "nothing",
    "object",
    "of",
    "payload",
    "placeholder",
    "provided",
    "provider",
    "recipient",
    "ref",
    "reference",
    "request",
    "response",
    "set",
    "status",
    "statuses",
    "string",
    "system",
    "tba",
    "text",
    "the",
    "to",
    "type",
    "unavailable",
    "unspecified",
    "uuid",
    "value",
    "variable",
    "wa",
    "whatsapp",
    "your",
];

/// Words that always mean a missing value: a text with one is a placeholder even if it also has a
/// short number, as in `null:1`, or `wamid`.
const NULLS: &[&str] = &["nan", "nil", "none", "null", "undefined"];

/// Pairs of marks that enclose a variable anywhere in a text; no id contains them.
const MARKS_INSIDE: &[(&str, &str)] = &[
    ("{{", "}}"),
    ("${", "}"),
    ("#{", "}"),
    ("%{", "}"),
    ("<%", "%>"),
    ("[[", "]]"),
    ("%7b", "%7d"),
    ("&lt;", "&gt;"),
    ("%!", ")"),
];

/// Pairs of marks that enclose a whole text.
const MARKS_AROUND: &[(&str, &str)] = &[
    ("{", "}"),
    ("<", ">"),
    ("[", "]"),
    ("(", ")"),
    ("%", "%"),
    ("#", "#"),
    ("$", "$"),
    ("@", "@"),
    ("|", "|"),
    ("*", "*"),
    ("~", "~"),
    ("__", "__"),
    ("'", "'"),
    ("\"", "\""),
    ("`", "`"),
    ("«", "»"),
    ("‹", "›"),
    ("“", "”"),
];

/// The length of the longest entry of [`WORDS`], in letters and digits.
const LONGEST_WORD: usize = 17;

/// Every opening mark of [`MARKS_INSIDE`] begins with one of these.
const FIRST_MARKS_INSIDE: &[char] = &['{', '$', '#', '%', '<', '[', '&'];

/// The longest text whose words are looked up, in bytes.
const NAMES_LIMIT: usize = 80;

/// Marks before a variable's name.
const MARKS_BEFORE: &[char] = &['$', ':', '@', '#', '%', '&', '=', '!', '\\', '?', '~'];

/// Whether a text is not a value: it cannot be an id or a recipient.
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    is_absent(text) || is_variable(text)
}

/// Whether a text is not a status word. Some providers have words such as `0` and `unknown`.
pub fn is_not_status_word(text: &str) -> bool {
    let text = text.trim();
    is_variable(text)
        || matches!(
            lower_alphanumeric(text).as_str(),
            "" | "nil" | "null" | "undefined"
        )
}

/// Whether a text is not a reason. `unknown`, `invalid` and `(blocked)` are reasons.
pub fn is_not_reason(text: &str) -> bool {
    let text = text.trim();
    let may_be_variable = text.len() <= NAMES_LIMIT && !text.contains(['"', '(', '/']);
    let is_one_word = !text.contains(char::is_whitespace) || text.starts_with("{{");
    (may_be_variable && is_one_word && is_variable(text))
        || matches!(
            lower_alphanumeric(text).as_str(),
            "" | "0" | "false" | "na" | "nil" | "none" | "null" | "true" | "undefined"
        )
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
        || text == "-1"
        || (is_short() && is_in(WORDS, &lower_alphanumeric(text)))
        || (text.len() <= NAMES_LIMIT && consists_of_names(text))
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
    for word in split_words(text) {
        any = true;
        match word.as_str() {
            word if NULLS.contains(&word) => has_null = true,
            word if is_in(PARTS, word) => {}
            "wamid" => needs_null = true,
            word if word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit()) => {
                needs_null_or_index = true;
            }
            _ => return false,
        }
    }
    any && (has_null || !needs_null) && (has_null || has_index || !needs_null_or_index)
}

/// `yourMessage_id` has three words. In lower case.
fn split_words(text: &str) -> impl Iterator<Item = String> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        while chars.next_if(|c| !c.is_alphanumeric()).is_some() {}
        let mut last = chars.next()?;
        let mut word: String = last.to_lowercase().collect();
        while let Some(c) =
            chars.next_if(|c| c.is_alphanumeric() && !(c.is_uppercase() && last.is_lowercase()))
        {
            word.extend(c.to_lowercase());
            last = c;
        }
        Some(word)
    })
}

/// Letters and digits, in lower case.
fn lower_alphanumeric(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether a text is an unreplaced template variable.
fn is_variable(text: &str) -> bool {
    let has_inside = text.contains(FIRST_MARKS_INSIDE) && {
        let lower = text.to_ascii_lowercase();
        MARKS_INSIDE.iter().any(|(open, close)| {
            lower
                .split_once(open)
                .is_some_and(|(_, rest)| rest.contains(close))
        })
    };
    let begins_with_mark = !text.starts_with(char::is_alphanumeric);
    let is_enclosed = begins_with_mark
        && MARKS_AROUND.iter().any(|(open, close)| {
            text.len() > open.len() + close.len() && text.starts_with(open) && text.ends_with(close)
        });
    let is_numbered = text
        .strip_prefix('$')
        .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    has_inside || is_enclosed || is_numbered || text.strip_prefix(MARKS_BEFORE).is_some_and(is_name)
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
            assert!(open.starts_with(FIRST_MARKS_INSIDE), "{open}");
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
