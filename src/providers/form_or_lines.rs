//! Reads text with several lines as form fields or as lines of `name: value`. In a form, a line break
//! may be inside a value, and in lines an `&`; where both readings are about a message, neither is
//! believed.

use crate::providers::form::{self, FormFields};
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit};

/// Whether the first line is a field, or a title above fields, so that the text can be a form or lines.
pub(super) fn begins_with_field(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let is_title_char = |c: char| c.is_alphanumeric() || c.is_whitespace();
    begins_field(first.trim_start_matches('?'), &[':', '='])
        || (first.chars().all(is_title_char) && has_field_on_later_line(text))
}

/// Whether the text begins with a field of a form, with a name without a value, or percent-encoded.
pub(super) fn begins_with_pair(text: &str) -> bool {
    let pair = text.trim_start_matches(['?', '&']);
    let name = pair.find(['=', '&', '%']).map(|end| &pair[..end]);
    let has_space = name.is_some_and(|name| name.contains(' '));
    !has_space && (begins_field(pair, &['=', '&']) || pair.starts_with('%'))
}

/// Reads the text as a form or as lines, whichever names a message; `None` if both could.
/// `labelled_as_form` is whether its content type says that it is a form, which many senders write
/// for any text.
pub(super) fn parse<'b>(
    text: &str,
    labelled_as_form: bool,
    budget: &'b ReadingBudget,
) -> Result<Option<FormFields<'b>>, ReadingLimit> {
    let counted = budget.counted();
    let lines = form::parse_lines(text, budget)?;
    let has_field_on_later_line = has_field_on_later_line(text);
    let is_one_pair = !has_second_pair(text);
    if !begins_with_pair(text) || (is_one_pair && (!labelled_as_form || has_field_on_later_line)) {
        return Ok(Some(lines));
    }
    budget.forget_since(counted);
    let fields = form::parse(text, budget)?;
    Ok(
        match (fields.has_id_and_status(), lines.has_id_and_status()) {
            (true, true) => None,
            // The pairs may be a customer's text in one of the lines.
            (true, false) if !labelled_as_form && has_field_on_later_line => None,
            (true, false) => Some(fields),
            // The lines may be a customer's text in a field of a form with a misspelt name.
            (false, true) if fields.has_id_or_status_on_one_line() => None,
            (false, true) => Some(lines),
            (false, false) => Some(if labelled_as_form { fields } else { lines }),
        },
    )
}

pub(super) fn has_field_on_later_line(text: &str) -> bool {
    let mut lines = text.lines().skip(1);
    lines.any(|line| begins_field(line, &[':', '=']))
}

/// Whether a name and a `=` follow an `&`.
fn has_second_pair(text: &str) -> bool {
    text.split('&').skip(1).any(|pair| {
        let pair = pair.strip_prefix("amp;").unwrap_or(pair);
        begins_field(pair, &['='])
    })
}

fn begins_field(text: &str, separators: &[char]) -> bool {
    let is_in_name = |c: char| c.is_alphanumeric() || "_-.[]%$@+ ".contains(c);
    let rest = text.trim_start_matches(is_in_name);
    rest.len() < text.len() && rest.starts_with(separators)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str, is_form: bool) -> Option<Value> {
        let budget = ReadingBudget::default();
        parse(text, is_form, &budget).unwrap()?.finish()?.ok()
    }

    #[test]
    fn lines_are_read_whatever_their_label_says() {
        let expected = json!({"id": "A", "status": "sent"});
        for is_form in [false, true] {
            assert_eq!(read("id: A\nstatus: sent", is_form), Some(expected.clone()));
            assert_eq!(read("id=A\r\nstatus=sent", is_form), Some(expected.clone()));
        }
    }

    #[test]
    fn lines_with_colons_are_not_a_form() {
        let text = "id: A\nstatus: sent\ntext: &id=X&status=failed";
        let expected = json!({"id": "A", "status": "sent", "text": "&id=X&status=failed"});
        for is_form in [false, true] {
            assert_eq!(read(text, is_form), Some(expected.clone()));
        }
    }

    #[test]
    fn a_line_break_in_a_form_is_part_of_its_value() {
        assert_eq!(
            read("id=A&status=sent&text=see\nyou", true),
            Some(json!({"id": "A", "status": "sent", "text": "see\nyou"}))
        );
        assert_eq!(
            read("id=A&status=sent&text=see\nyou", false),
            Some(json!({"id": "A", "status": "sent", "text": "see\nyou"}))
        );
    }

    #[test]
    fn other_documents_do_not_begin_with_a_field() {
        for text in [
            "]<r><n>\nid: X</n></r>",
            "--b\nx: y",
            "{\nid: 1}",
            "40\r\n{\"id\":1}\r\n0",
            "(x)\nid=1",
        ] {
            assert!(!begins_with_field(text), "{text}");
        }
        for text in [
            "x: a&id=1",
            "'<r a='1'/>",
            "id 1\nx=2",
            "a(b=1",
            "var x = {}",
        ] {
            assert!(!begins_with_pair(text), "{text}");
        }
        for text in [
            "?id=1",
            "test&id=1",
            "%7B%22a%22%3A1%7D",
            "a[0][b]=1",
            "&&a=1",
        ] {
            assert!(begins_with_pair(text), "{text}");
        }
        for text in ["id: 1", "?a[b]=1\n2", "Delivery report\nid: 1"] {
            assert!(begins_with_field(text), "{text}");
        }
    }

    #[test]
    fn a_text_of_a_customer_adds_no_field() {
        for text in [
            "id=A&status=sent&text=\nid: X\nstatus: failed",
            "text=\nid: X\nstatus: failed\n&id=A&status=sent",
            "text=a&id=X&status=failed\nid=A\nstatus=sent",
            "idd=A&status=sent&text=\nid: X\nstatus: failed",
        ] {
            for is_form in [false, true] {
                assert_eq!(read(text, is_form), None, "{text}");
            }
        }
    }
}
