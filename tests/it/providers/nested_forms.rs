//! Statuses in forms with nested names, in any encoding of characters; and templates of which some variables were not filled.

use bluetick::domain::provider::ProviderId;
use bluetick::providers::{Callback, Report};
use bluetick::receiving::unpack::unpack;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::sample_callbacks::{SHAPES, Shape, expected, post, reports, statuses, written_texts};
use crate::harness::generator::cases;

/// The fields of a value as PHP names them; elements of a list are `gap` apart.
fn fields(name: &str, value: &Value, gap: usize, found: &mut Vec<(String, String)>) {
    let inner = |key: &str| {
        if name.is_empty() {
            key.to_owned()
        } else {
            format!("{name}[{key}]")
        }
    };
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                fields(&inner(key), value, gap, found);
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                fields(&inner(&(at * gap).to_string()), value, gap, found);
            }
        }
        Value::String(text) => found.push((name.to_owned(), text.clone())),
        other => found.push((name.to_owned(), other.to_string())),
    }
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Body,
    Query,
    Multipart {
        delimiter: &'static str,
        line_end: &'static str,
        type_first: bool,
    },
}

fn forms() -> impl Strategy<Value = Form> {
    let delimiters = select(
        &[
            "b",
            "--WebKitFormBoundaryx7MA4YWxk",
            "------------------------d74496d66958873e",
        ][..],
    );
    let multipart = (delimiters, select(&["\r\n", "\n"][..]), any::<bool>());
    prop_oneof![
        Just(Form::Body),
        Just(Form::Query),
        multipart.prop_map(|(delimiter, line_end, type_first)| Form::Multipart {
            delimiter,
            line_end,
            type_first
        }),
    ]
}

fn write_form(fields: &[(String, String)], form: Form) -> Callback {
    let encoded = || {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish()
    };
    match form {
        Form::Body => post(encoded()),
        Form::Query => Callback {
            query: encoded(),
            ..post("")
        },
        Form::Multipart {
            delimiter,
            line_end,
            type_first,
        } => {
            let part = |(name, value): &(String, String)| {
                let mut headers = [
                    format!("Content-Disposition: form-data; name=\"{name}\""),
                    "Content-Type: text/plain; charset=UTF-8".to_owned(),
                ];
                if type_first {
                    headers.reverse();
                }
                format!(
                    "--{delimiter}{line_end}{}{line_end}{line_end}{value}{line_end}",
                    headers.join(line_end)
                )
            };
            let parts: String = fields.iter().map(part).collect();
            post(format!("{parts}--{delimiter}--{line_end}"))
        }
    }
}

/// In the order of their ids: that of fields has no meaning.
fn sorted(mut reports: Vec<Report>) -> Vec<Report> {
    reports.sort_by(|a, b| a.ids[0].as_str().cmp(b.ids[0].as_str()));
    reports
}

type Encode = fn(&str) -> Vec<u8>;
const ENCODINGS: &[Encode] = &[
    |text| text.as_bytes().to_vec(),
    |text| format!("\u{feff}{text}").into_bytes(),
    |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    |text| text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    |text| {
        format!("\u{feff}{text}")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect()
    },
    |text| {
        format!("\u{feff}{text}")
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect()
    },
    |text| {
        text.chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect()
    },
    |text| {
        text.chars()
            .flat_map(|c| u32::from(c).to_be_bytes())
            .collect()
    },
    |text| {
        format!("\u{feff}{text}")
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect()
    },
    |text| {
        format!("\u{feff}{text}")
            .chars()
            .flat_map(|c| u32::from(c).to_be_bytes())
            .collect()
    },
];
const LABELS: &[Option<&str>] = &[
    None,
    Some("gzip"),
    Some("deflate"),
    Some("br"),
    Some("UTF-16"),
    Some("utf-32"),
];

/// What is sent in the place of a value.
fn placeholders() -> impl Strategy<Value = String> {
    let marks = select(
        &[
            ("{{", "}}"),
            ("${", "}"),
            ("<", ">"),
            ("%", "%"),
            ("[", "]"),
            ("#{", "}"),
            ("<%= ", " %>"),
        ][..],
    );
    prop_oneof![
        (marks, "[a-zA-Z_]{2,12}").prop_map(|((open, close), name)| format!("{open}{name}{close}")),
        select(
            &[
                "null",
                "undefined",
                "N/A",
                "None",
                "-",
                "nil",
                "",
                "%!s(MISSING)",
                "[object Object]"
            ][..]
        )
        .prop_map(ToOwned::to_owned),
    ]
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn statuses_in_nested_fields_are_read_as_in_json(
        statuses in statuses(Just("Meera".to_owned()), "[a-z]{4,9}"),
        shape in select(&[
            Shape::Envelope(ProviderId::Sobot),
            Shape::Envelope(ProviderId::Kaleyra),
            Shape::Envelope(ProviderId::Zixflow),
        ][..]),
        form in forms(),
        gap in 1_usize..4,
        encode in select(ENCODINGS),
    ) {
        let expected = expected(shape, &statuses);
        let mut written = Vec::new();
        fields("", &shape.document(&statuses), gap, &mut written);
        let sample = write_form(&written, form);
        let body = encode(&String::from_utf8(sample.body).unwrap());
        let found = reports(shape.provider(), &Callback { body, ..sample });
        prop_assert_eq!(sorted(found), sorted(expected));
    }

    #[test]
    fn characters_are_read_in_any_encoding(
        statuses in statuses(written_texts(), "[a-zäöüñनम]{4,9}"),
        shape in select(SHAPES),
        encode in select(ENCODINGS),
        label in select(LABELS),
    ) {
        let expected = expected(shape, &statuses);
        let body = encode(&shape.document(&statuses).to_string());
        let unpacked = unpack(&body, label).unwrap();
        prop_assert_eq!(reports(shape.provider(), &post(unpacked.into_owned())), expected);
    }

    #[test]
    fn a_variable_that_was_not_filled_is_no_value_and_spoils_no_other(
        statuses in statuses(written_texts(), "[a-z]{4,9}"),
        shape in select(SHAPES),
        spoilt in any::<prop::sample::Index>(),
        field in select(&[0_usize, 2, 3][..]),
        placeholder in placeholders(),
        is_bare in any::<bool>(),
    ) {
        let mut expected = expected(shape, &statuses);
        let spoilt = spoilt.index(statuses.len());
        let value = match field {
            0 => json!(statuses[spoilt].id),
            2 => json!(statuses[spoilt].seconds.to_string()),
            _ => json!(statuses[spoilt].recipient),
        };
        let name = shape.names()[field];
        let document = shape.document(&statuses).to_string();
        let is_bare = is_bare && placeholder.starts_with(['{', '$']) && placeholder.ends_with('}');
        let written = if is_bare { placeholder.clone() } else { json!(placeholder).to_string() };
        // The members of one status follow its id.
        let from = document.find(&statuses[spoilt].id).unwrap().saturating_sub(name.len() + 8);
        let (before, behind) = document.split_at(document.floor_char_boundary(from));
        let document = format!("{before}{}", behind.replacen(&format!("\"{name}\":{value}"), &format!("\"{name}\":{written}"), 1));
        prop_assert!(document.contains(&written));

        let found = reports(shape.provider(), &post(document.as_str()));
        match field {
            0 => {
                expected.remove(spoilt);
                let with_id: Vec<Report> = found.into_iter().filter(|it| !it.ids.is_empty()).collect();
                prop_assert_eq!(with_id, expected, "{}", document);
            }
            2 => {
                expected[spoilt].occurred_at = None;
                prop_assert_eq!(found, expected, "{}", document);
            }
            _ => {
                // The contact of the same status may name the customer.
                let own = expected[spoilt].recipient.take();
                let mut found = found;
                prop_assert_eq!(found.len(), expected.len(), "{}", document);
                if found[spoilt].recipient == own {
                    found[spoilt].recipient = None;
                }
                prop_assert_eq!(found, expected, "{}", document);
            }
        }
    }
}
