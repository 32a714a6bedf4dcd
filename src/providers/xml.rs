//! Converts XML callback profiles to one JSON value: elements and attributes become fields,
//! repeated ones a list.
//!
//! Declared entities are rejected, so the input cannot expand; the five predefined ones and
//! character references are resolved.

use quick_xml::Reader;
use quick_xml::XmlVersion::Implicit1_0;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

/// Nesting depth; a report needs three or four levels.
const DEPTH_LIMIT: usize = 64;

/// An open element.
#[derive(Default)]
struct Element {
    name: String,
    children: Map<String, Value>,
    text: String,
}

/// Returns the content of the root element. Errors contain nothing of the text.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let broken = || "not well-formed XML".to_owned();
    let mut reader = Reader::from_str(text);
    // The document itself is the outermost element.
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|_| broken())?;
        match event {
            Event::Start(_) if open.len() > DEPTH_LIMIT => {
                return Err(format!("XML nested deeper than {DEPTH_LIMIT}"));
            }
            Event::Start(start) => open.push(begin(&start).ok_or_else(broken)?),
            Event::Empty(start) => {
                let element = begin(&start).ok_or_else(broken)?;
                end(&mut open, element).ok_or_else(broken)?;
            }
            Event::End(_) => {
                let element = open.pop().ok_or_else(broken)?;
                end(&mut open, element).ok_or_else(broken)?;
            }
            Event::Text(text) => add_text(&mut open, &text.xml10_content()),
            Event::CData(text) => add_text(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(character)) => add_text(&mut open, character.encode_utf8(&mut [0; 4])),
                _ => match resolve_xml_entity(&reference) {
                    Some(known) => add_text(&mut open, known),
                    None => return Err("XML with a declared entity".to_owned()),
                },
            },
            Event::DocType(_) => return Err("XML with a document type".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    let [document] = <[Element; 1]>::try_from(open).map_err(|_| broken())?;
    let (_, root) = document.children.into_iter().next().ok_or_else(broken)?;
    Ok(root)
}

fn begin(start: &BytesStart<'_>) -> Option<Element> {
    let mut element = Element {
        name: start.local_name().as_ref().to_owned(),
        ..Element::default()
    };
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        let value = attribute.normalized_value(Implicit1_0).ok()?;
        add(
            &mut element.children,
            attribute.key.local_name().as_ref(),
            Value::from(value.as_ref()),
        );
    }
    Some(element)
}

fn end(open: &mut [Element], element: Element) -> Option<()> {
    let value = if element.children.is_empty() {
        Value::from(element.text.trim())
    } else {
        Value::Object(element.children)
    };
    add(&mut open.last_mut()?.children, &element.name, value);
    Some(())
}

fn add_text(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// Children of the same name become a list.
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
            parse(text).unwrap(),
            json!({"a": "1 & 2", "m": [{"id": "x+y"}, {"id": "<z>"}], "e": ""})
        );
    }

    #[test]
    fn declared_entities_and_malformed_documents_are_rejected() {
        for text in [
            "<!DOCTYPE r [<!ENTITY a \"aaaa\">]><r>&a;</r>",
            "<r>&a;</r>",
            "<r><a></r>",
            "<r>",
            "",
            "plain",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let deep = "<a>".repeat(100_000);
        assert!(parse(&deep).unwrap_err().contains("deeper"));
    }
}
