//! Good statuses in random wrappings and beside random bad bytes: each is reported, as if it had come alone.

use std::io::Write as _;

use bluetick::domain::callback_fields::CallbackFields;
use bluetick::domain::provider::ProviderId;
use bluetick::providers::{Callback, CallbackPart, Report, get, parse_callback};
use bluetick::receiving::unpack::unpack;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::received_at;

/// What is done to the JSON of a callback, from the inside to the outside.
#[derive(Clone, Copy, Debug)]
enum Wrapping {
    Plain,
    JsonText,
    FormField(&'static str),
    Multipart(&'static str),
    Member(&'static str),
    TextMember(&'static str),
    Query(&'static str),
    Utf16,
}

#[derive(Clone, Copy, Debug)]
enum BodyEncoding {
    Plain,
    Gzip,
    GzipTwice,
    Zlib,
}

const NAMES: &[&str] = &["payload", "data", "json"];
const LABELS: &[Option<&str>] = &[
    None,
    Some("gzip"),
    Some("deflate"),
    Some("br"),
    Some("UTF-8"),
    Some("identity"),
    Some("gzip, gzip"),
];
const TYPES: &[Option<&str>] = &[
    None,
    Some("application/json"),
    Some("text/plain; charset=iso-8859-1"),
    Some("application/octet-stream"),
];
/// Bytes of a name in a JSON text, as some sender wrote them.
const SPOILT: &[&[u8]] = &[
    b"Meera",
    b"Zo\xeb",
    b"\xff\xfe\x80",
    b"\xed\xa0\xbd",
    b"\\ud83d",
    b"\\udc00\\ud83d",
    b"\\ud83d\\ude00",
    b"a\nb",
    b"\x01\x7f",
    b"\\q \\x41",
    b"\\u12",
    b"},{",
    b"]}\\\"",
    b"Raj \"the boss\" Rao",
    b"\"\"",
    b"12\" x 3\"",
    // The last character has two bytes in Big5 or Shift-JIS; the second one is a backslash.
    b"\xa5\x5c",
    b"\x83\x5c\x95\x5c",
];
/// JSON values of a member that is not read.
const VALUES: &[&str] = &[
    "1",
    "null",
    "NaN",
    "-Infinity",
    "1e999",
    "undefined",
    "None",
    "True",
    "007",
    "[1,2,]",
    "{\"a\":1,}",
    "",
    "{{profile_x}}",
    "${x.y}",
    "<no value>",
    "2026-11-28 03:50:50",
    "[{\"a\":,\"b\":{{b}}}]",
    "1,234.50",
    "12, Main Street [2nd floor]",
    "ObjectId(\"65f1c0ffee\")",
    "ISODate('2026-11-28T03:50:50Z')",
    "new Date(1692947519000)",
    "NumberLong(1)",
    "datetime.datetime(2026, 11, 28)",
    "b'te, xt'",
    "u\"text\"",
    "'it's so'",
    "[1,,2]",
    "{,\"a\":1}",
    "[,{\"a\":1}]",
    "{\"a\"::1}",
    "{\"a\"=1,b=2}",
    "{\"a\"=>1,:b=>:c}",
    "1 \"x\" 2",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "[1 2 {\"a\":}",
];

fn wrappings() -> impl Strategy<Value = Wrapping> {
    let name = || select(NAMES);
    prop_oneof![
        Just(Wrapping::Plain),
        Just(Wrapping::JsonText),
        name().prop_map(Wrapping::FormField),
        name().prop_map(Wrapping::Multipart),
        name().prop_map(Wrapping::Member),
        name().prop_map(Wrapping::TextMember),
        name().prop_map(Wrapping::Query),
        Just(Wrapping::Utf16),
    ]
}

/// A batch with a spoilt name and a spoilt value beside each status.
fn batch(spoilt: &[(&[u8], &str)]) -> Vec<u8> {
    let changes: Vec<Vec<u8>> = spoilt
        .iter()
        .enumerate()
        .map(|(number, (name, value))| {
            [
                br#"{"field":"messages","value":{"contacts":[{"profile":{"name":""#.as_slice(),
                name,
                format!(
                    r#"","x":{value}}}}}],"statuses":[{{"id":"wamid.n{number}","status":"delivered","timestamp":"176360000{number}"}}]}}}}"#
                )
                .as_bytes(),
            ]
            .concat()
        })
        .collect();
    [b"[".to_vec(), changes.join(b",".as_slice()), b"]".to_vec()].concat()
}

fn wrap(content: &[u8], wrapping: Wrapping) -> Callback {
    let text = String::from_utf8_lossy(content).into_owned();
    let form = |name: &str| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair(name, &text).finish()
    };
    let mut query = String::new();
    let body = match wrapping {
        Wrapping::Plain => content.to_vec(),
        Wrapping::JsonText => Value::from(text).to_string().into_bytes(),
        Wrapping::FormField(name) => form(name).into_bytes(),
        Wrapping::Multipart(name) => {
            let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            [head.as_bytes(), content, b"\r\n--b--\r\n"].concat()
        }
        Wrapping::Member(name) => [format!("{{\"{name}\":").as_bytes(), content, b"}"].concat(),
        Wrapping::TextMember(name) => json!({ name: text }).to_string().into_bytes(),
        Wrapping::Query(name) => {
            query = form(name);
            b"{}".to_vec()
        }
        Wrapping::Utf16 => std::iter::once(0xfeff)
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect(),
    };
    Callback {
        method: "POST".to_owned(),
        query,
        content_type: None,
        body,
        received_at: received_at(),
    }
}

fn pack(body: &[u8], encoding: BodyEncoding) -> Vec<u8> {
    let gzip = |body: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    };
    match encoding {
        BodyEncoding::Plain => body.to_vec(),
        BodyEncoding::Gzip => gzip(body),
        BodyEncoding::GzipTwice => gzip(&gzip(body)),
        BodyEncoding::Zlib => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
    }
}

fn reports(callback: &Callback) -> Vec<Report> {
    let parts = parse_callback(get(ProviderId::Sobot), &CallbackFields::default(), callback).parts;
    let report = |part| match part {
        CallbackPart::Report(report) => Some(report),
        _ => None,
    };
    parts.into_iter().filter_map(report).collect()
}

proptest! {
    #[test]
    fn every_status_is_reported_however_it_is_wrapped(
        spoilt in prop::collection::vec((select(SPOILT), select(VALUES)), 1..5),
        wrapping in wrappings(),
        encoding in select(&[BodyEncoding::Plain, BodyEncoding::Gzip, BodyEncoding::GzipTwice, BodyEncoding::Zlib][..]),
        label in select(LABELS),
        content_type in select(TYPES),
    ) {
        let good = vec![(b"Meera".as_slice(), "1"); spoilt.len()];
        let expected = reports(&wrap(&batch(&good), Wrapping::Plain));
        prop_assert_eq!(expected.len(), spoilt.len());

        let wrapped = wrap(&batch(&spoilt), wrapping);
        let packed = pack(&wrapped.body, encoding);
        let body = unpack(&packed, label).unwrap().into_owned();
        prop_assert_eq!(&body, &wrapped.body);
        let content_type = content_type.map(ToOwned::to_owned);
        let found = reports(&Callback { content_type, body, ..wrapped });
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn every_document_is_read_whatever_stands_between(
        separators in prop::collection::vec(select(&["", "\n", "\r\n", " ", ",", ",\n", "\u{1e}"][..]), 1..6),
        bad_line in prop::option::of(select(&["{\"id\":", "<br />", "[1", "not JSON"][..])),
    ) {
        let document = |number: usize| {
            json!({ "id": format!("wamid.n{number}"), "status": "read", "timestamp": 1_763_600_000 + number }).to_string()
        };
        let mut body = document(0);
        for (number, separator) in separators.iter().enumerate() {
            // A bad document voids no other if each has its line.
            body.push_str(if bad_line.is_some() { "\n" } else { separator });
            body.push_str(&document(number + 1));
        }
        if let Some(line) = bad_line {
            body = body.replacen('\n', &format!("\n{line}\n"), 1);
        }
        let found = reports(&wrap(body.as_bytes(), Wrapping::Plain));
        prop_assert_eq!(found.len(), separators.len() + 1, "{}", body);
    }
}
