//! Converts XML callback profiles to one JSON value: elements and attributes become fields,
//! repeated ones a list. JSON in the only text is read, and where other formats may have it.
//!
//! Declared entities are rejected, so the input cannot expand; the five predefined ones and
//! character references are resolved.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::XmlVersion::Implicit1_0;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

use crate::providers::json_in_text::{JSON_TEXT_LIMIT, begins_json, may_hold_json};
use crate::providers::json_value::read_json_text;
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit, TEXT_LIMIT, cut};

const MALFORMED: &str = "not well-formed XML";

/// An open element.
#[derive(Default)]
struct Element {
    name: String,
    children: Map<String, Value>,
    text: String,
}

/// Returns the content of the root element, or all elements where there are several roots. Errors
/// do not quote the text.
///
/// A bad character reference becomes U+FFFD. An unknown entity, a lone `&`, and a `<` that does not
/// begin an element stay as written.
pub(super) fn parse(text: &str, budget: &ReadingBudget) -> Result<Value, String> {
    let counted = budget.counted();
    let error = match read(text, budget) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let escaped = escape_stray_brackets(text);
    if error != MALFORMED || escaped == text {
        return Err(error);
    }
    budget.forget_since(counted);
    read(&escaped, budget)
}

/// Escapes each `<` that begins neither an element nor the end of one: `I <3 you`.
fn escape_stray_brackets(text: &str) -> Cow<'_, str> {
    let begins_element = |rest: &str| {
        let name = rest.strip_prefix('/').unwrap_or(rest);
        name.starts_with(|c: char| c.is_alphabetic() || c == '_') || rest.starts_with(['!', '?'])
    };
    let mut parts = text.split('<');
    let mut escaped = parts.next().unwrap_or_default().to_owned();
    let mut has_changed = false;
    for part in parts {
        let begins_element = begins_element(part);
        has_changed |= !begins_element;
        escaped.push_str(if begins_element { "<" } else { "&lt;" });
        escaped.push_str(part);
    }
    if has_changed {
        Cow::Owned(escaped)
    } else {
        Cow::Borrowed(text)
    }
}

fn read(text: &str, budget: &ReadingBudget) -> Result<Value, String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = true;
    // The document itself is the outermost element.
    let mut open = vec![Element::default()];
    let mut only_text = OnlyText::default();
    loop {
        let event = reader.read_event().map_err(|_| MALFORMED)?;
        budget.count_value()?;
        match event {
            Event::Start(start) => {
                budget.check_depth(open.len())?;
                open.push(begin(&start, budget)?);
            }
            Event::Empty(start) => end(&mut open, begin(&start, budget)?)?,
            Event::End(_) => {
                let element = open.pop().ok_or(MALFORMED)?;
                only_text.add(&element);
                if let Some(json) = read_json(&element, open.len(), budget)? {
                    add_child(&mut open, &element.name, json)?;
                } else {
                    end(&mut open, element)?;
                }
            }
            Event::Text(text) => add_text(&mut open, &text.xml10_content()),
            Event::CData(text) => add_text(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(character)) => add_text(&mut open, character.encode_utf8(&mut [0; 4])),
                Err(_) => add_text(&mut open, "\u{fffd}"),
                Ok(None) => match resolve_xml_entity(&reference) {
                    Some(known) => add_text(&mut open, known),
                    None => add_text(&mut open, &format!("&{};", cut(&reference))),
                },
            },
            // The document type of HTML has no declarations.
            Event::DocType(kind) if !kind.contains('[') => {}
            Event::DocType(_) => return Err("XML with declared entities".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if let Some(text) = only_text.json
        && let Some(json) = read_json_text(&text, budget)?
    {
        return Ok(json);
    }
    let [document] = <[Element; 1]>::try_from(open).map_err(|_| MALFORMED)?;
    let mut roots = document.children;
    match roots.len() {
        0 => Err(MALFORMED.to_owned()),
        1 => Ok(roots.values_mut().next().map_or(Value::Null, Value::take)),
        _ => Ok(Value::Object(roots)),
    }
}

/// The only text of a document, if it begins like JSON.
#[derive(Default)]
struct OnlyText {
    json: Option<String>,
    has_text: bool,
}

impl OnlyText {
    /// Takes the text of the first element with one; a later one shows that it is not the only one.
    fn add(&mut self, element: &Element) {
        if !element.children.is_empty() || element.text.trim().is_empty() {
            return;
        }
        self.json = None;
        if !self.has_text && begins_json(&element.text) {
            self.json = Some(element.text.clone());
        }
        self.has_text = true;
    }
}

/// The JSON in the text of an element, where other formats may have it.
fn read_json(
    element: &Element,
    depth: usize,
    budget: &ReadingBudget,
) -> Result<Option<Value>, ReadingLimit> {
    let may_hold_json = element.children.is_empty()
        && begins_json(&element.text)
        && may_hold_json(&element.name, depth);
    if may_hold_json {
        read_json_text(&element.text, budget)
    } else {
        Ok(None)
    }
}

fn begin(start: &BytesStart<'_>, budget: &ReadingBudget) -> Result<Element, String> {
    let mut element = Element {
        name: cut(start.local_name().as_ref()).to_owned(),
        ..Element::default()
    };
    for attribute in start.attributes() {
        budget.count_value()?;
        // The next one may be valid.
        let Ok(attribute) = attribute else {
            continue;
        };
        let value = attribute.normalized_value(Implicit1_0);
        let value = value.unwrap_or_else(|_| attribute.value.clone());
        add(
            &mut element.children,
            cut(attribute.key.local_name().as_ref()),
            Value::from(cut(&value)),
        );
    }
    Ok(element)
}

fn end(open: &mut [Element], element: Element) -> Result<(), &'static str> {
    let value = if element.children.is_empty() {
        Value::from(cut(element.text.trim()))
    } else {
        Value::Object(element.children)
    };
    add_child(open, &element.name, value)
}

fn add_child(open: &mut [Element], name: &str, value: Value) -> Result<(), &'static str> {
    let parent = open.last_mut().ok_or(MALFORMED)?;
    add(&mut parent.children, name, value);
    Ok(())
}

fn add_text(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        let text = if element.text.is_empty() {
            text.trim_start()
        } else {
            text
        };
        let may_be_json = element.text.starts_with(['{', '['])
            || (element.text.is_empty() && text.starts_with(['{', '[']));
        let limit = if may_be_json {
            JSON_TEXT_LIMIT
        } else {
            TEXT_LIMIT
        };
        let free = limit.saturating_sub(element.text.len());
        element
            .text
            .push_str(&text[..text.floor_char_boundary(free)]);
    }
}

/// Adds a child; children of the same name become a list.
fn add(children: &mut Map<String, Value>, name: &str, value: Value) {
    match children.get_mut(name) {
        Some(Value::Array(list)) => list.push(value),
        Some(first) => {
            let before = first.take();
            *first = Value::from(vec![before, value]);
        }
        None => {
            children.insert(name.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_attributes_and_repeats_become_fields_and_lists() {
        let text = r#"<?xml version="1.0"?><!-- x --><r a="1 &amp; 2"><m><id>x&#43;y</id></m><m><id><![CDATA[<z>]]></id></m><e/></r>"#;
        assert_eq!(
            parse(text, &ReadingBudget::default()).unwrap(),
            json!({"a": "1 & 2", "m": [{"id": "x+y"}, {"id": "<z>"}], "e": ""})
        );
    }

    #[test]
    fn a_bad_reference_affects_only_its_own_text() {
        let text = r#"<r at="a &b; c" x=1 y="2"><n>Meera &#xD83D;&nbsp;</n><c>Fish & Chips</c><id>x</id></r>"#;
        assert_eq!(
            parse(text, &ReadingBudget::default()).unwrap(),
            json!({"at": "a &b; c", "y": "2", "n": "Meera \u{fffd}&nbsp;", "c": "Fish & Chips", "id": "x"})
        );
        let text = "<r><n>I <3 you </3, 2 < 3</n><id>x</id></r>";
        assert_eq!(
            parse(text, &ReadingBudget::default()).unwrap(),
            json!({"n": "I <3 you </3, 2 < 3", "id": "x"})
        );
    }

    #[test]
    fn json_in_the_only_text_is_read() {
        let budget = ReadingBudget::default();
        let long = format!(r#"{{"id":"x","text":"{}"}}"#, "a".repeat(TEXT_LIMIT));
        for text in [
            format!("<request><v></v><body>{long}</body></request>"),
            format!("<r><![CDATA[ {long} ]]></r>"),
            format!(
                "<r><e><payload>{}</payload></e></r>",
                long.replace('"', "&quot;")
            ),
        ] {
            let read = parse(&text, &budget).unwrap();
            assert_eq!(read["id"], "x", "{text}");
        }
        let beside =
            r#"<r><from>1</from><text>{"id":"x"}</text><statuses>[{"id":"y"}]</statuses></r>"#;
        assert_eq!(
            parse(beside, &budget).unwrap(),
            json!({"from": "1", "text": "{\"id\":\"x\"}", "statuses": [{"id": "y"}]})
        );
    }

    #[test]
    fn elements_without_a_root_are_fields() {
        let text = "<!DOCTYPE html>\n<id>x</id>\n<status>sent</status>";
        assert_eq!(
            parse(text, &ReadingBudget::default()).unwrap(),
            json!({"id": "x", "status": "sent"})
        );
    }

    #[test]
    fn declared_entities_and_malformed_documents_are_rejected() {
        for text in [
            "<!DOCTYPE r [<!ENTITY a \"aaaa\">]><r>&a;</r>",
            "<r><a></r>",
            "<r>",
            "",
            "plain",
        ] {
            assert!(parse(text, &ReadingBudget::default()).is_err(), "{text}");
        }
    }

    #[test]
    fn reading_ends_at_the_limits() {
        let parse = |text: &str| parse(text, &ReadingBudget::default());
        let deep = "<a>".repeat(100_000);
        assert!(parse(&deep).unwrap_err().contains("deeper"));
        let attributes: Vec<String> = (0..200_000)
            .map(|number| format!(" a{number}=''"))
            .collect();
        let attributes = attributes.concat();
        for text in [
            format!("<r>{}</r>", "<a/>".repeat(200_000)),
            format!("<r{attributes}/>"),
            format!("<r>{}</r>", "&amp;".repeat(200_000)),
        ] {
            let reason = parse(&text).unwrap_err();
            assert!(reason.contains("too_many_values"), "{reason}");
        }
        let long = format!("<r><a>\n {0} </a><b>{0}</b></r>", "ä".repeat(TEXT_LIMIT));
        let kept = "ä".repeat(TEXT_LIMIT / 2);
        assert_eq!(parse(&long).unwrap(), json!({"a": kept, "b": kept}));
    }
}
