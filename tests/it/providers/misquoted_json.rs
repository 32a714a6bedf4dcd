//! Statuses in JSON with the quotes of another language, with quotes inside of texts, and of which the end is missing.

use std::time::Duration;

use bluetick::domain::callback_fields::CallbackFields;
use bluetick::domain::provider::ProviderId;
use bluetick::providers::{Callback, PARTS_LIMIT, get, parse_callback};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::sample_callbacks::{SHAPES, expected, post, reports, statuses, written_texts};
use super::siblings::processor_time;
use crate::harness::generator::cases;

/// How another language writes JSON.
#[derive(Clone, Copy, Debug)]
enum Notation {
    Python,
    /// `u'…'`
    Python2,
    JavaScript,
    /// Each quote of JSON as this.
    Html(&'static str),
    /// Python's, with each apostrophe as this.
    PythonInHtml(&'static str),
    /// JSON with a backslash before each quote and backslash.
    Escaped,
}

const NOTATIONS: &[Notation] = &[
    Notation::Python,
    Notation::Python2,
    Notation::JavaScript,
    Notation::Html("&quot;"),
    Notation::Html("&#34;"),
    Notation::Html("&#034;"),
    Notation::Html("&#x22;"),
    Notation::Html("&#X22;"),
    Notation::PythonInHtml("&#39;"),
    Notation::PythonInHtml("&#039;"),
    Notation::PythonInHtml("&#x27;"),
    Notation::PythonInHtml("&apos;"),
    Notation::Escaped,
];

impl Notation {
    fn write(self, value: &Value) -> String {
        match self {
            Self::Python => python(value, ""),
            Self::Python2 => python(value, "u"),
            Self::JavaScript => java_script(value),
            Self::Html(quote) => html(&value.to_string()).replace('"', quote),
            Self::PythonInHtml(quote) => html(&python(value, ""))
                .replace('"', "&quot;")
                .replace('\'', quote),
            Self::Escaped => value.to_string().replace('\\', "\\\\").replace('"', "\\\""),
        }
    }
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A text as Python and Node show it: in apostrophes, unless it has one and no quote.
fn quoted(text: &str) -> String {
    let quote = match (text.contains('\''), text.contains('"')) {
        (true, false) => '"',
        _ => '\'',
    };
    let mut written = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\u{a0}' => written.push_str("\\xa0"),
            c if c == quote => {
                written.push('\\');
                written.push(c);
            }
            c => written.push(c),
        }
    }
    written.push(quote);
    written
}

fn python(value: &Value, prefix: &str) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("{prefix}{}", quoted(text)),
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(|it| python(it, prefix)).collect();
            format!("[{}]", list.join(", "))
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                format!("{prefix}{}: {}", quoted(name), python(value, prefix))
            };
            format!(
                "{{{}}}",
                members.iter().map(member).collect::<Vec<_>>().join(", ")
            )
        }
    }
}

/// As Node shows an object.
fn java_script(value: &Value) -> String {
    match value {
        Value::Null => "undefined".to_owned(),
        Value::String(text) => quoted(text),
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(java_script).collect();
            format!("[\n  {}\n]", list.join(",\n  "))
        }
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| format!("{name}: {}", java_script(value));
            format!(
                "{{ {} }}",
                members.iter().map(member).collect::<Vec<_>>().join(", ")
            )
        }
        other => other.to_string(),
    }
}

/// What is around the statuses.
#[derive(Clone, Copy, Debug)]
enum Around {
    Nothing,
    JsonText,
    TextMember(&'static str),
    FormField(&'static str),
    RawField(&'static str),
    Query(&'static str),
}

const AROUND: &[Around] = &[
    Around::Nothing,
    Around::Nothing,
    Around::JsonText,
    Around::TextMember("payload"),
    Around::TextMember("data"),
    Around::FormField("payload"),
    Around::FormField("json"),
    Around::RawField("data"),
    Around::Query("payload"),
];

fn wrap(text: &str, around: Around) -> Callback {
    let form = |name: &str| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair(name, text).finish()
    };
    match around {
        Around::Nothing => post(text),
        Around::JsonText => post(json!(text).to_string()),
        Around::TextMember(name) => post(json!({ name: text }).to_string()),
        Around::FormField(name) => post(form(name)),
        Around::RawField(name) => post(format!("{name}={text}")),
        Around::Query(name) => Callback {
            query: form(name),
            ..post("")
        },
    }
}

/// Names with quotes that nothing escaped. No colon is in them: with one, it would be another member.
fn quoted_names() -> impl Strategy<Value = String> {
    let words = select(
        &[
            "\"",
            "\"Raj\"",
            "Meera",
            " ",
            ", ",
            "\"\"",
            "12\" x 3\"",
            "the \"boss\", or so",
            "O'Neil",
            "(\"x\")",
            "\",",
            "नमस्ते",
        ][..],
    );
    prop::collection::vec(words, 0..5).prop_map(|words| words.concat())
}

/// What is repeated, and stands at the beginning.
const FRAGMENTS: &[&str] = &[
    "{",
    "[",
    "}",
    "]",
    "\"",
    "'",
    ",",
    ":",
    "\\",
    " ",
    "\n",
    "=",
    "&",
    "<",
    ">",
    "-",
    "%7B",
    "&quot;",
    "&#x27;",
    "\\\"",
    "{\"a\":\"",
    "{'a':'",
    "'},{'",
    "\"},{\"",
    "\\\\",
    "{\"id\":\"x\",\"status\":\"sent\"}",
    "{{",
    "}}",
    "${",
    "--b\r\n",
    "Content-Disposition: form-data; name=\"a\"\r\n\r\n",
    "a[]=1&",
    "a[b][c]=1&",
    "<a>",
    "</a>",
    "<![CDATA[",
    "]]>",
    "&amp;",
    "payload=",
    "\u{feff}",
    "\0",
    "null",
    "None",
    "statuses",
    "\"statuses\":",
    "1e9",
    "🎉",
];

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn statuses_in_the_quotes_of_another_language_are_read_as_in_json(
        statuses in statuses(written_texts(), "[A-Za-z][A-Za-z' ]{3,30}[a-z]"),
        shape in select(SHAPES),
        notation in select(NOTATIONS),
        around in select(AROUND),
    ) {
        let expected = expected(shape, &statuses);
        let written = notation.write(&shape.document(&statuses));
        // A field that nothing encoded ends at the line.
        prop_assume!(!matches!(around, Around::RawField(_)) || !written.contains('\n'));
        let found = reports(shape.provider(), &wrap(&written, around));
        prop_assert_eq!(found, expected, "{}", written);
    }

    #[test]
    fn a_quote_inside_of_a_text_spoils_only_the_text(
        statuses in statuses(quoted_names(), "[a-z]{4,9}"),
        shape in select(SHAPES),
        around in select(AROUND),
    ) {
        let expected = expected(shape, &statuses);
        // A template put the names between quotes as they were.
        let mut written = shape.document(&statuses).to_string();
        for status in &statuses {
            let escaped = json!(status.name).to_string();
            written = written.replace(&escaped, &format!("\"{}\"", status.name));
        }
        let found = reports(shape.provider(), &wrap(&written, around));
        prop_assert_eq!(found, expected, "{}", written);
    }

    #[test]
    fn what_is_complete_is_read_where_the_end_is_missing(
        statuses in statuses(written_texts(), "[a-z]{4,9}"),
        shape in select(SHAPES),
        is_pretty in any::<bool>(),
        notation in prop::option::of(select(NOTATIONS)),
        cut in any::<prop::sample::Index>(),
    ) {
        let expected = expected(shape, &statuses);
        let document = shape.document(&statuses);
        let written = match notation {
            Some(notation) => notation.write(&document),
            None if is_pretty => serde_json::to_string_pretty(&document).unwrap(),
            None => document.to_string(),
        };
        let cut = cut.index(written.len());
        // Where each status ends: behind the member that is last in all shapes.
        let ends = statuses.iter().map(|status| {
            let from = written.find(&status.id).unwrap();
            let own = written[from..].find(&status.recipient).unwrap();
            let behind = if status.word == "failed" { written[from..].find("Not on WhatsApp").unwrap() } else { own };
            from + behind + written[from + behind..].find('}').unwrap() + usize::from(status.word != "failed")
        });
        let complete: Vec<_> = ends.zip(&statuses).filter(|(end, status)| *end <= cut && status.word != "failed").collect();
        let found = reports(shape.provider(), &post(&written.as_bytes()[..cut]));
        for (_, status) in complete {
            let is_found = found.iter().any(|report| report.ids.first().is_some_and(|id| id.as_str() == status.id));
            prop_assert!(is_found, "{} of {:?}", status.id, String::from_utf8_lossy(&written.as_bytes()[..cut]));
        }
        for report in found {
            let same = expected.iter().find(|it| it.ids == report.ids);
            prop_assert!(same.is_some_and(|same| {
                same.event.as_ref().map(std::mem::discriminant) == report.event.as_ref().map(std::mem::discriminant)
                    && (report.occurred_at.is_none() || same.occurred_at == report.occurred_at)
            }), "{:?}", report);
        }
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn any_signs_are_read_in_time_however_often_they_are_repeated(
        before in prop::collection::vec(select(FRAGMENTS), 0..6),
        repeated in prop::collection::vec(select(FRAGMENTS), 1..5),
        behind in prop::collection::vec(select(FRAGMENTS), 0..4),
        kilobytes in select(&[1_usize, 64, 1024][..]),
        content_type in select(&[None, Some("application/x-www-form-urlencoded")][..]),
    ) {
        let repeated = repeated.concat();
        let body = format!("{}{}{}", before.concat(), repeated.repeat(kilobytes * 1024 / repeated.len()), behind.concat());
        let sample = super::callback(body, content_type);
        let begun = processor_time();
        for provider in [ProviderId::Sobot, ProviderId::Kaleyra] {
            let parts = parse_callback(get(provider), &CallbackFields::default(), &sample).parts;
            prop_assert!((1..=PARTS_LIMIT + 1).contains(&parts.len()), "{} parts", parts.len());
        }
        let took = processor_time().saturating_sub(begun);
        prop_assert!(took < Duration::from_secs(10), "{took:?}");
    }
}
