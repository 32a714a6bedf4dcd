//! Reads what is complete in JSON that cannot be read as a whole: each object by itself, within the
//! objects around it as far as their names are known.

use serde_json::{Map, Value};

use crate::providers::json_fragment_scan::{Fragment, FragmentScan, scan};
use crate::providers::json_frame::Field;
use crate::providers::json_lookaround::STATUSES;
use crate::providers::json_repair::repair;
use crate::providers::json_value::read_fragment;
use crate::providers::reading_budget::{ReadingBudget, ReadingLimit};
use crate::providers::report_names::may_have_reports;

/// Maximum bytes of a text that is scanned.
const TEXT_LIMIT: usize = 8 * 1024 * 1024;

/// The complete objects and lists of a text. Those around them have only their name and the member
/// `field`: other values may belong to another report.
pub(super) fn read_fragments(
    text: &str,
    budget: &ReadingBudget,
) -> Result<Vec<Value>, ReadingLimit> {
    if text.len() > TEXT_LIMIT || !has_double_quotes(text) {
        return Ok(Vec::new());
    }
    let scan = scan(text);
    let mut values = Vec::new();
    for fragment in &scan.fragments {
        if !may_be_report(&scan, fragment) {
            continue;
        }
        budget.count_value()?;
        let mut value = read_fragment(fragment.text, budget)?;
        if value.is_none()
            && let Ok(repaired) = repair(fragment.text)
        {
            value = read_fragment(&repaired, budget)?;
        }
        values.extend(value.map(|value| add_around(&scan, fragment, value)));
    }
    Ok(values)
}

/// Whether the first name is between double quotes. Otherwise, double quotes may be a customer's, and
/// what is between them an object that he wrote.
fn has_double_quotes(text: &str) -> bool {
    let mut quotes = text.matches(['"', '\'']);
    let first = (quotes.next(), quotes.next());
    first.0 != Some("'") && first.1 != Some("'")
}

/// The objects around a fragment, the innermost first: the name under which it is in each, and the
/// member `field`.
fn list_around<'s, 't>(
    scan: &'s FragmentScan<'t>,
    fragment: &Fragment<'t>,
) -> impl Iterator<Item = (&'t str, Field<'t>)> + use<'s, 't> {
    let mut name = fragment.name;
    let mut around = fragment.around;
    std::iter::from_fn(move || {
        loop {
            if around == 0 {
                return name.take().map(|name| (name, Field::Absent));
            }
            let frame = &scan.frames[around];
            around = frame.around;
            // An object without a name is an element of a list, or follows an object that was not
            // closed, and is an element like it.
            let own = std::mem::replace(&mut name, frame.name);
            if let Some(own) = own {
                return Some((own, frame.field));
            }
        }
    })
}

/// Whether an object may be a report, by the names around it. Around `statuses`, the names of other
/// members are those of objects that were not closed.
fn may_be_report(scan: &FragmentScan<'_>, fragment: &Fragment<'_>) -> bool {
    let mut is_around_statuses = false;
    list_around(scan, fragment).all(|(name, field)| {
        let is_known = is_around_statuses || may_have_reports(name);
        is_around_statuses |= name == STATUSES;
        is_known && field != Field::Unclear
    })
}

fn add_around(scan: &FragmentScan<'_>, fragment: &Fragment<'_>, value: Value) -> Value {
    let around = list_around(scan, fragment).filter(|(name, _)| may_have_reports(name));
    around.fold(value, |value, (name, field)| {
        let mut object = Map::new();
        if let Field::Is(field) = field {
            object.insert("field".to_owned(), Value::from(field));
        }
        object.insert(name.to_owned(), value);
        Value::Object(object)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Vec<Value> {
        read_fragments(text, &ReadingBudget::default()).unwrap_or_default()
    }

    #[test]
    fn what_is_complete_is_read_with_the_names_around_it() {
        let b = json!({"id": "B", "status": "sent"});
        let changed = json!({"entry": {"changes": {"field": "calls", "value": {"statuses": b}}}});
        for (text, expected) in [
            (
                r#"{"entry":[{"changes":[{"field":"calls","value":{"statuses":[{"id":"A" "x"},@]}}]}]}"#,
                vec![changed],
            ),
            (
                r#"{"statuses":[{"id":"A","status":"read",@]}"#,
                vec![json!({"statuses": b})],
            ),
            (r#"[{"id":"A","name":"M},@,{"id" 1}]"#, vec![b.clone()]),
            (r#"{"id":"A","status":"read"@"#, vec![b.clone()]),
            (
                r#"{"id":"A","status":"read","statuses":[@,@"#,
                vec![json!({"statuses": b}); 2],
            ),
            (r#"{"id":"A","conversation":@,"errors":[@] x"#, vec![]),
            (r#"{"id":"A","status":"read" "id":"B"}"#, vec![]),
            (
                r#"{"value":{"statuses":[@]},"field":"x" y,"field":"z"}"#,
                vec![],
            ),
            (
                r#"{"value":{"statuses":[@]},x y,"field":"z"}"#,
                vec![json!({"field": "z", "value": {"statuses": [b]}})],
            ),
            (
                r#"{"value":{"statuses":@,@},"field":"x"}"#,
                vec![json!({"field": "x", "value": {"statuses": b}}); 2],
            ),
            (
                r#"{"statuses":[@},@,"x":1},@]}"#,
                vec![json!({"statuses": b}); 3],
            ),
            (
                r#"{"value":{"metadata":{"x":1,"statuses":[@]},"field":"x"}}"#,
                vec![json!({"value": {"statuses": [b]}})],
            ),
            (r#"{"errors":[@,{"x" 1}],"context":@"#, vec![]),
            ("{\"a\" 1}", vec![]),
            ("[1,2", vec![]),
        ] {
            let text = text.replace('@', r#"{"id":"B","status":sent,}"#);
            assert_eq!(read(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_text_of_a_customer_is_never_parsed() {
        for written in [
            r#"{"id":"X","status":"failed"}"#,
            "{id:X,status:failed}",
            "{'id':'X','status':'failed'}",
            "]}]},{id:X,status:failed},[{",
        ] {
            let status =
                json!({"id": "A", "text": written, "titles": ["{", written, ": 1,", written]});
            for text in [
                format!("[{status}"),
                format!("[{{\"a\" 1,\"s\":{status} x"),
                format!("[{{\"a\":\"x,\"s\":[{status}]"),
                format!("{{\"statuses\":[{{\"x\":\"{status}]"),
            ] {
                for value in read(&text) {
                    let object = value.pointer("/statuses").unwrap_or(&value);
                    assert_eq!(object.get("id"), Some(&json!("A")), "{text}: {value}");
                }
            }
        }
        for text in [
            "[{id': 'A', 'text': '@'}]",
            "[{'id: 'A', 'text': '@'}]",
            "[{\"id': 'A', 'text': '@'}]",
        ] {
            let text = text.replace('@', r#""},{"id":"X","status":"failed"},{"a":""#);
            assert_eq!(read(&text), Vec::<Value>::new(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_handled_without_panic(
            text in r#"(\{"a":|[\[{]|[\]}]|"[a-z\\"]{0,3}"|:|,|-?[0-9]{1,3}|=>|'| |ä|\\|"field":"x"){0,24}"#
        ) {
            read(&text);
        }
    }
}
