//! Reads a text as one or more JSON documents, which may be on separate lines or not separated at
//! all.

use serde_json::Value;

use crate::providers::json_fragments::read_fragments;
use crate::providers::json_in_text::begins_json;
use crate::providers::json_repair::repair;
use crate::providers::json_requote::{close_truncated, is_misquoted, requote, skip_brackets};
use crate::providers::json_value::{Unparsed, read_sequence};
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit};

/// A document, or why it could not be read; the reason has no personal data.
pub(super) type Document = Result<Value, String>;

/// Reads valid JSON as it is, and otherwise repairs mistakes that senders make. A document that
/// stays unreadable does not affect the others.
pub(super) fn parse(text: &str, budget: &ReadingBudget) -> Result<Vec<Document>, ReadingLimit> {
    let (values, unparsed) = read(text, budget)?;
    let mut documents = readable(values);
    if let Some(unparsed) = unparsed {
        let reason = reason(text, &unparsed);
        let is_of_customer = has_other_quotes(text, unparsed.text);
        let repaired = if is_of_customer {
            None
        } else {
            read_repaired(unparsed.text, budget)?
        };
        if let Some(values) = repaired {
            documents.extend(readable(values));
        } else if is_on_lines(text) || is_on_lines(unparsed.text) {
            parse_lines(text, unparsed.text, &mut documents, budget)?;
        } else if is_of_customer {
            documents.push(Err(reason));
        } else {
            let (values, is_complete) = read_unclear(&unparsed, budget)?;
            documents.extend(readable(values));
            if !is_complete {
                documents.push(Err(reason));
            }
        }
    }
    Ok(documents)
}

/// The documents of a text with mistakes; `None` if a part of it stays unreadable.
fn read_repaired(text: &str, budget: &ReadingBudget) -> Result<Option<Vec<Value>>, ReadingLimit> {
    // A repair would take brackets inside texts for brackets of JSON.
    if is_misquoted(text) {
        return read_requoted(text, budget);
    }
    let counted = budget.counted();
    let repaired = repair(text)?;
    let (values, unparsed) = read(&repaired, budget)?;
    if unparsed.is_some() {
        budget.forget_since(counted);
        return Ok(None);
    }
    Ok(Some(values))
}

/// The documents of a text that no repair makes readable, and whether these are all.
fn read_unclear(
    unparsed: &Unparsed<'_>,
    budget: &ReadingBudget,
) -> Result<(Vec<Value>, bool), ReadingLimit> {
    let text = unparsed.text;
    if let Some(values) = read_requoted(text, budget)? {
        return Ok((values, true));
    }
    let is_misquoted = is_misquoted(text);
    let mut first = Vec::new();
    if !is_misquoted {
        first = read(&repair(text)?, budget)?.0;
    }
    if first.is_empty() && (unparsed.error.is_eof() || is_misquoted) {
        let closed = read_closed(text, budget)?;
        if !closed.is_empty() {
            return Ok((closed, false));
        }
    }
    let requoted = if is_misquoted { requote(text) } else { None };
    let as_written = Some(text).filter(|_| !is_misquoted);
    let counted = budget.counted();
    let mut fragments = Vec::new();
    if let Some(text) = requoted.as_deref().or(as_written) {
        fragments = read_fragments(text, budget)?;
    }
    if fragments.len() > first.len() {
        return Ok((fragments, false));
    }
    budget.forget_since(counted);
    Ok((first, false))
}

/// The documents of a text in which only the quotes are wrong.
fn read_requoted(text: &str, budget: &ReadingBudget) -> Result<Option<Vec<Value>>, ReadingLimit> {
    let Some(requoted) = requote(text) else {
        return Ok(None);
    };
    let counted = budget.counted();
    let repaired = repair(&requoted)?;
    let (values, unparsed) = read(&repaired, budget)?;
    if unparsed.is_some() {
        budget.forget_since(counted);
        return Ok(None);
    }
    Ok(Some(values))
}

/// The complete objects and lists of a text that ends too early.
fn read_closed(text: &str, budget: &ReadingBudget) -> Result<Vec<Value>, ReadingLimit> {
    let counted = budget.counted();
    let requoted = requote(text);
    let as_written = Some(text).filter(|_| !is_misquoted(text));
    for text in as_written.into_iter().chain(requoted.as_deref()) {
        let Some(closed) = close_truncated(text) else {
            continue;
        };
        let repaired = repair(&closed)?;
        let (values, unparsed) = read(&repaired, budget)?;
        if unparsed.is_none() {
            return Ok(values);
        }
        budget.forget_since(counted);
    }
    Ok(Vec::new())
}

fn read<'t>(
    text: &'t str,
    budget: &ReadingBudget,
) -> Result<(Vec<Value>, Option<Unparsed<'t>>), ReadingLimit> {
    let read = read_sequence(text, budget);
    match budget.exceeded() {
        Some(limit) => Err(limit),
        None => Ok(read),
    }
}

fn readable(values: Vec<Value>) -> Vec<Document> {
    values.into_iter().map(Ok).collect()
}

/// Whether the text has several lines, and either the first line is a whole document or every line
/// begins one.
fn is_on_lines(text: &str) -> bool {
    let mut lines = text
        .lines()
        .map(str::trim_ascii)
        .filter(|line| !line.is_empty());
    let is_document = |line: &str| begins_json(line) && line.ends_with(['}', ']']);
    match (lines.next(), lines.next()) {
        (Some(first), Some(second)) => {
            is_document(first)
                || (begins_json(first) && is_document(second) && lines.all(begins_json))
        }
        _ => false,
    }
}

/// `text` begins with the first document, `rest` with the first line that is to be read.
fn parse_lines(
    text: &str,
    rest: &str,
    documents: &mut Vec<Document>,
    budget: &ReadingBudget,
) -> Result<(), ReadingLimit> {
    for line in rest.lines().filter(|line| !line.trim_ascii().is_empty()) {
        budget.count_value()?;
        if has_other_quotes(text, line) {
            documents.push(Err("not JSON: a line with other quotes".to_owned()));
            continue;
        }
        let (values, unparsed) = read(line, budget)?;
        documents.extend(readable(values));
        let Some(unparsed) = unparsed else {
            continue;
        };
        if let Some(values) = read_repaired(unparsed.text, budget)? {
            documents.extend(readable(values));
            continue;
        }
        let (values, is_complete) = read_unclear(&unparsed, budget)?;
        documents.extend(readable(values));
        if !is_complete {
            documents.push(Err(reason(line, &unparsed)));
        }
    }
    Ok(())
}

/// Whether the names of a later document are not between the quotes of the first one's. It is then in a
/// text of the first one, which ended too early, and a customer may have written it.
fn has_other_quotes(first: &str, later: &str) -> bool {
    let quote = |text: &str| {
        let inner = skip_brackets(text);
        let begins = inner.len() < text.trim_ascii_start().len();
        let next = inner.chars().next().filter(|_| begins)?;
        if next.is_alphabetic() {
            return text[..text.len() - inner.len()]
                .contains('{')
                .then_some('_');
        }
        matches!(next, '"' | '\'' | '\\' | '&').then_some(next)
    };
    match (quote(first), quote(later)) {
        (Some(first), Some(later)) => first != later,
        _ => false,
    }
}

/// Why the rest of a text could not be read.
fn reason(text: &str, unparsed: &Unparsed<'_>) -> String {
    let error = &unparsed.error;
    let what = if error.is_eof() {
        "it ends too early"
    } else {
        "it is invalid"
    };
    let before = &text[..text.len() - unparsed.text.len()];
    let line = before.matches('\n').count() + error.line();
    let column = match error.line() {
        1 => before.rsplit('\n').next().map_or(0, str::len) + error.column(),
        _ => error.column(),
    };
    format!("not JSON: {what} at line {line}, column {column}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::providers::reading_budget::TEXT_LIMIT;

    fn parse(text: &str) -> Result<Vec<Document>, String> {
        super::parse(text, &ReadingBudget::default()).map_err(String::from)
    }

    fn parse_one(text: &str) -> Document {
        let documents = <[Document; 1]>::try_from(parse(text)?);
        let [document] = documents.map_err(|documents| format!("{documents:?}"))?;
        document
    }

    #[test]
    fn trailing_commas_are_dropped_only_outside_strings() {
        assert_eq!(
            parse_one("{\"a\": \"x,]\\\",}\", \"b\": [1, 2, ],\n}").unwrap(),
            json!({"a": "x,]\",}", "b": [1, 2]})
        );
        assert!(parse_one("{\"a\" 1}").is_err());
        let parts = parse(r#"{"statuses":[{"id":"A" "x":1},{"id":"B"}]} {"id":"C"}"#).unwrap();
        assert!(
            matches!(parts.as_slice(), [Ok(b), Ok(c), Err(_)] if b["statuses"]["id"] == "B" && c["id"] == "C"),
            "{parts:?}"
        );
        let cut = parse_one("{\"a\": ").unwrap_err();
        assert!(cut.starts_with("not JSON: it ends too early"), "{cut}");
    }

    #[test]
    fn several_documents_are_read_one_by_one() {
        let good = [Ok(json!({"a": 1})), Ok(json!({"b": "\u{fffd}"}))];
        for text in [
            "{\"a\":1}\n{\"b\":\"\u{fffd}\"}\n",
            "{\"a\":1}{\"b\":\"\\ud83d\"}",
            "{\"a\":1},\r\n{\"b\":\"\\ud83d\"}",
            "\u{1e}{\"a\":1}\n\u{1e}{\"b\":\"\u{fffd}\"}\n",
        ] {
            assert_eq!(parse(text).unwrap(), good, "{text}");
        }
        let wrong = parse("{\"a\":1}\n{\"b\":\n{\"b\":\"\\ud83d\"}").unwrap();
        let read: Vec<Option<&Value>> = wrong
            .iter()
            .map(|document| document.as_ref().ok())
            .collect();
        assert_eq!(read, [good[0].as_ref().ok(), None, good[1].as_ref().ok()]);
        let cut = parse("[\n{ a: '1' }").unwrap();
        assert!(
            matches!(cut.as_slice(), [Err(_), Ok(value)] if *value == json!({"a": "1"})),
            "{cut:?}"
        );
        let first = parse("{\"a\" 1\n{\"a\":1}\n{\"b\":1}").unwrap();
        assert!(
            matches!(first.as_slice(), [Err(_), Ok(_), Ok(_)]),
            "{first:?}"
        );
        let trailing = parse("{\"a\":1}<br />").unwrap();
        assert!(
            matches!(trailing.as_slice(), [Ok(_), Err(_)]),
            "{trailing:?}"
        );
    }

    #[test]
    fn names_between_other_quotes_are_read() {
        let good = json!([{"id": "x", "n": {"a": "b c"}}]);
        for quote in ["'", "&quot;", "\\\""] {
            let text = good.to_string().replace('"', quote);
            assert_eq!(parse_one(&text).unwrap(), good, "{text}");
            let held = json!({ "payload": text }).to_string();
            assert_eq!(
                parse_one(&held).unwrap(),
                json!({ "payload": good }),
                "{held}"
            );
        }
    }

    #[test]
    fn a_line_of_a_customers_text_is_no_document() {
        for line in [
            r#"{\"id\":\"X\"}"}"#,
            "{'id':'X'}",
            "{id:X}",
            "[{&quot;id&quot;:1}]",
        ] {
            let text = format!(
                "{{\"id\":\"A\"}}\n{{\"id\":\"B\",\"x\" 1,\"text\":\"\n{line}\"}}\n{{\"id\":\"C\"}}"
            );
            let documents = parse(&text).unwrap();
            let read: Vec<_> = documents.iter().flatten().collect();
            assert_eq!(read, [&json!({"id": "A"}), &json!({"id": "C"})], "{text}");
        }
        let after = parse(r#"{"id":"A","text":"\"}"},{\"id\":\"X\"}"#).unwrap();
        assert!(matches!(after.as_slice(), [Ok(_), Err(_)]), "{after:?}");
    }

    #[test]
    fn reading_ends_at_the_limits() {
        let wide = |elements: usize| format!("[{}[]]", "[],".repeat(elements - 1));
        assert!(parse(&wide(199_999)).is_ok());
        let objects = format!("[{}1]", r#"{"a":1},"#.repeat(70_000));
        let held = json!([{ "errors": wide(150_000) }, wide(60_000)]).to_string();
        let lines = format!("{{\"a\":1}}\n{{\"a\n{}", "[]\n".repeat(200_000));
        for text in [wide(200_000), objects, held, "[]".repeat(200_001), lines] {
            assert_eq!(
                parse(&text).unwrap_err(),
                "it has more than 200000 values (too_many_values)"
            );
        }
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&deep(64)).is_ok());
        assert_eq!(
            parse(&deep(65)).unwrap_err(),
            "it is nested deeper than 64 levels"
        );
        // The limit is reported although the text is not valid JSON either.
        assert!(
            parse(&"[".repeat(1_000_000))
                .unwrap_err()
                .contains("deeper")
        );
    }

    #[test]
    fn only_the_beginning_of_a_long_text_is_kept() {
        let long = "ä".repeat(TEXT_LIMIT);
        let text = json!({ "id": "x", "text": long, &long: 1 }).to_string();
        let kept = "ä".repeat(TEXT_LIMIT / 2);
        assert_eq!(
            parse_one(&text),
            Ok(json!({ "id": "x", "text": kept, &kept: 1 }))
        );
    }
}
