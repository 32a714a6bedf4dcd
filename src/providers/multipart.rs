//! Reads `multipart/form-data`, which PHP uses to post an array, as one JSON object, within the
//! limits of a callback.
//!
//! The well-kept multipart libraries read asynchronous streams; here the whole body is in memory.

use crate::providers::form::FormFields;
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit};

/// Maximum bytes of a delimiter; the standard allows 70.
const DELIMITER_LIMIT: usize = 256;

/// The line that separates the parts: the first one that begins with `--`. Before it, only a text with
/// the label of multipart may have other lines: elsewhere, they show that it is in a customer's text.
pub(super) fn find_delimiter(text: &str, is_multipart: bool) -> Option<&str> {
    if !is_multipart && !text.starts_with("--") {
        return None;
    }
    let mut lines = text.lines().take(PREAMBLE_LIMIT);
    let line = lines.find(|line| line.starts_with("--"))?.trim_ascii_end();
    let is_delimiter = (3..DELIMITER_LIMIT).contains(&line.len());
    let mut headers = lines.take_while(|line| !line.is_empty());
    let names_a_part = |line: &str| line.to_ascii_lowercase().starts_with("content-");
    (is_delimiter && headers.any(names_a_part)).then_some(line)
}

/// Maximum number of lines up to the end of the first part's headers. Some senders write a preamble
/// before the first part.
const PREAMBLE_LIMIT: usize = 16;

pub(super) fn parse<'b>(
    text: &str,
    delimiter: &str,
    budget: &'b ReadingBudget,
) -> Result<FormFields<'b>, ReadingLimit> {
    let mut form = FormFields::new(budget);
    let is_complete = text.trim_ascii_end().ends_with(&format!("{delimiter}--"));
    let is_only = is_complete && text.matches(delimiter).nth(2).is_none();
    for part in text.split(delimiter).skip(1) {
        budget.count_value()?;
        if part.starts_with("--") {
            break;
        }
        let Some((headers, content)) = split_part(part) else {
            continue;
        };
        match find_name(headers) {
            Some(name) if is_only => form.add_only(name, content)?,
            Some(name) => form.add(name, content)?,
            None => {}
        }
    }
    Ok(form)
}

/// Headers and content. Some senders end lines with LF only.
fn split_part(part: &str) -> Option<(&str, &str)> {
    let (headers, content) = part
        .split_once("\r\n\r\n")
        .or_else(|| part.split_once("\n\n"))?;
    let content = content.strip_suffix('\n').unwrap_or(content);
    Some((headers, content.strip_suffix('\r').unwrap_or(content)))
}

fn find_name(headers: &str) -> Option<&str> {
    headers
        .lines()
        .filter(|line| line.len() > DISPOSITION.len() && line.is_char_boundary(DISPOSITION.len()))
        .find(|line| line[..DISPOSITION.len()].eq_ignore_ascii_case(DISPOSITION))?
        .split(';')
        .find_map(|parameter| {
            let (key, name) = parameter.split_once('=')?;
            key.trim().eq_ignore_ascii_case("name").then_some(name)
        })
        .map(|name| name.trim().trim_matches(['"', '\'']))
}

const DISPOSITION: &str = "content-disposition:";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn fields(text: &str) -> Value {
        let delimiter = find_delimiter(text, true).unwrap();
        let budget = ReadingBudget::default();
        let form = parse(text, delimiter, &budget).unwrap();
        form.finish().unwrap().unwrap()
    }

    #[test]
    fn every_part_is_a_field() {
        let text = "--b1\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\nwamid.1\r\n\
            --b1\r\nContent-Type: text/plain\r\ncontent-disposition: form-data; filename=\"x\"; Name = status\r\n\r\ndelivered\r\n\
            --b1\r\nContent-Disposition: form-data\r\n\r\nnameless\r\n\
            --b1\r\nno headers\r\n\
            --b1\r\nContent-Disposition: form-data; name=\"errors[0][title]\"\r\n\r\ntwo\r\nlines\r\n\
            --b1\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{\"a\":1}\r\n--b1--\r\n";
        let expected = json!({
            "id": "wamid.1",
            "status": "delivered",
            "errors": [{"title": "two\r\nlines"}],
            "data": {"a": 1}
        });
        assert_eq!(fields(text), expected);
        let preamble = format!("This is a message of several parts.\r\n\r\n{text}");
        assert_eq!(fields(&preamble), expected);
        let mut expected = expected;
        expected["errors"][0]["title"] = json!("two\nlines");
        assert_eq!(fields(&text.replace('\r', "")), expected);
    }

    #[test]
    fn json_in_the_only_part_is_read() {
        let text = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"blob\"\r\nContent-Type: application/json\r\n\r\n[{\"id\":1}]\r\n--b--";
        assert_eq!(fields(text), json!({"payload": [{"id": 1}]}));
    }

    #[test]
    fn a_body_without_parts_is_not_multipart() {
        for text in [
            "",
            "--",
            "--b1",
            "--b1\r\nid: 1",
            "--b1--\r\n\r\nContent-Type: x",
            "id=1",
        ] {
            assert_eq!(find_delimiter(text, true), None, "{text}");
        }
    }

    #[test]
    fn a_text_of_a_customer_is_no_part() {
        let text = "\r\n--b\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\nwamid.X";
        for outer in [
            format!("<m><text>{text}</text></m>"),
            format!("id=wamid.1&text={text}"),
            format!("id: wamid.1\ntext: {text}"),
        ] {
            assert_eq!(find_delimiter(&outer, false), None, "{outer}");
        }
    }

    #[test]
    fn reading_ends_at_the_limit() {
        let part = "--b\nContent-Disposition: form-data; name=\"a\"\n\n1\n";
        let text = part.repeat(100_001);
        let budget = ReadingBudget::default();
        assert_eq!(
            parse(&text, "--b", &budget).err(),
            Some(ReadingLimit::TooManyValues)
        );
    }
}
