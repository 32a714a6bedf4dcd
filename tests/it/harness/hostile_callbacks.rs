//! Callbacks in every format that are cheap to send and could be expensive to process.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use crate::harness::app::{KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW};

const MIB: usize = 1024 * 1024;
/// Maximum size of a body as sent.
pub(crate) const SENT_LIMIT: usize = 3 * MIB;
const UNPACKED_LIMIT: usize = 32 * MIB;

pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) account: &'static str,
    pub(crate) encoding: Option<&'static str>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) outcome: &'static str,
    /// Substring of the reason why a part was not applied; empty if all were applied.
    pub(crate) reason: &'static str,
}

impl Shape {
    pub(crate) fn new(name: &'static str, body: impl Into<Vec<u8>>, outcome: &'static str) -> Self {
        Self {
            name,
            account: KALEYRA,
            encoding: None,
            content_type: "application/json",
            body: body.into(),
            outcome,
            reason: "",
        }
    }

    fn gzip(name: &'static str, body: Vec<u8>, outcome: &'static str) -> Self {
        Self {
            encoding: Some("gzip"),
            ..Self::new(name, body, outcome)
        }
    }

    fn for_account(self, account: &'static str) -> Self {
        Self { account, ..self }
    }

    fn of_type(self, content_type: &'static str) -> Self {
        Self {
            content_type,
            ..self
        }
    }

    fn because(self, reason: &'static str) -> Self {
        Self { reason, ..self }
    }
}

const TOO_MANY: &str = "more than 200000 values (too_many_values)";

/// gzip of `start`, `middle` as often as it fits, and `end`. Repeats a gzip member, so that only little is compressed.
fn gzip(start: &str, middle: &str, end: &str) -> Vec<u8> {
    let member = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let repeats = (MIB / middle.len()).max(1);
    let block = middle.repeat(repeats);
    let blocks = (UNPACKED_LIMIT - start.len() - end.len()) / block.len();
    let packed = [member(start), member(&block).repeat(blocks), member(end)].concat();
    assert!(packed.len() <= SENT_LIMIT, "{} bytes", packed.len());
    packed
}

/// `start`, `middle` as often as it fits into a body as sent, and `end`.
fn plain(start: &str, middle: &str, end: &str) -> String {
    let count = (SENT_LIMIT - start.len() - end.len()) / middle.len();
    format!("{start}{}{end}", middle.repeat(count))
}

fn numbered(count: usize, item: impl Fn(usize) -> String) -> String {
    let items: Vec<String> = (0..count).map(item).collect();
    items.join(",")
}

/// Callbacks of all formats.
pub(crate) fn hostile_callbacks() -> impl Iterator<Item = Shape> {
    let multiplying = multiplying_shapes().into_iter().chain(repaired_shapes());
    json_shapes()
        .into_iter()
        .chain(multiplying)
        .chain(fragment_shapes())
        .chain(status_shapes())
        .chain(compressed_shapes())
        .chain(other_shapes())
}

fn json_shapes() -> Vec<Shape> {
    let nested = format!("{}1{},", r#"{"a":"#.repeat(60), "}".repeat(60));
    let words = r#"{"status":"x","a":"b"},"#;
    vec![
        Shape::gzip(
            "empty arrays, gzip",
            gzip(r#"{"statuses":["#, "[],", "[]]}"),
            "quarantined",
        )
        .because(TOO_MANY),
        Shape::new(
            "empty arrays",
            plain(r#"{"statuses":["#, "[],", "[]]}"),
            "quarantined",
        )
        .because(TOO_MANY),
        Shape::gzip("empty objects", gzip("[", "{},", "{}]"), "quarantined").because(TOO_MANY),
        Shape::gzip(
            "objects with a member",
            gzip("[", r#"{"a":1},"#, "1]"),
            "quarantined",
        )
        .because(TOO_MANY),
        Shape::gzip("nested objects", gzip("[", &nested, "1]"), "quarantined").because(TOO_MANY),
        Shape::gzip("deep", gzip("", "[", ""), "quarantined")
            .because("nested deeper than 64 levels"),
        Shape::gzip(
            "a long text",
            gzip(r#"{"id":"x","status":"sent","a":""#, "abcdefgh", r#""}"#),
            "receipts",
        ),
        Shape::gzip(
            "a long escaped text",
            gzip(
                r#"[{"id":"x","status":"sent","a":""#,
                r"\u00e4\n",
                r#""},]"#,
            ),
            "receipts",
        ),
        Shape::gzip(
            "a long name",
            gzip(r#"[{"id":"x","status":"sent",""#, r"\u00e4\n", r#"":1},]"#),
            "receipts",
        ),
        Shape::gzip(
            "many long texts",
            gzip("[", &format!("\"{}\",", "x".repeat(2_000)), "1]"),
            "quarantined",
        ),
        Shape::gzip("numbers", gzip("[", "-1.5e3,", "1]"), "quarantined").because(TOO_MANY),
        Shape::gzip("a long number", gzip("[", "1234567890", "]"), "quarantined"),
        Shape::gzip(
            "escaped texts",
            gzip("[", r#""\n\"","#, "1]"),
            "quarantined",
        )
        .because(TOO_MANY),
        Shape::gzip(
            "one name again and again",
            gzip("{", r#""a":{"b":1},"#, r#""c":1}"#),
            "quarantined",
        )
        .because(TOO_MANY),
        Shape::new(
            "different names",
            format!("{{{}}}", numbered(190_000, |n| format!(r#""{n}":1"#))),
            "quarantined",
        ),
        Shape::gzip("blanks", gzip("[", " \n", "]"), "probe"),
        Shape::gzip("commas only", gzip("[", ", ", "]"), "probe"),
        Shape::gzip(
            "elements without meaning",
            gzip("[", words, "1]"),
            "quarantined",
        )
        .because(TOO_MANY),
        Shape::new(
            "numbers within the limit",
            format!("[{}]", numbered(190_000, |n| n.to_string())),
            "quarantined",
        ),
    ]
}

/// What is complete in unreadable JSON, and what is in envelopes.
fn fragment_shapes() -> Vec<Shape> {
    vec![
        Shape::new(
            "objects with mistakes",
            plain("[", r#"{"id":"A" "x":"{"}, "#, "]"),
            "quarantined",
        )
        .because(TOO_MANY),
        Shape::gzip(
            "objects that do not end",
            gzip("", r#"{"statuses":[{"id":"A","name":"x},"#, ""),
            "quarantined",
        ),
        Shape::gzip(
            "a value that does not end",
            gzip(r#"{"a":"#, "1,", ""),
            "quarantined",
        ),
        Shape::new(
            "envelopes",
            plain(r#"{"Records":["#, r#"{"body":"{}","md5OfBody":1},"#, "1]}"),
            "quarantined",
        ),
    ]
}

fn status_shapes() -> Vec<Shape> {
    let statuses = |items: &str| format!(r#"{{"statuses":[{items}]}}"#);
    vec![
        Shape::new(
            "statuses within the limit",
            statuses(&numbered(45_000, |n| {
                format!(r#"{{"id":"wamid.limit-{n}","status":"read"}}"#)
            })),
            "receipts",
        )
        .because("more than 5000 parts"),
        Shape::new(
            "statuses of one message",
            statuses(&numbered(5_000, |n| {
                format!(r#"{{"id":"wamid.same","status":"read","timestamp":"{n}"}}"#)
            })),
            "receipts",
        ),
        Shape::new(
            "notices on different messages",
            statuses(&numbered(5_000, |n| {
                format!(r#"{{"id":"wamid.paid-{n}","type":"payment","status":"captured"}}"#)
            })),
            "notice",
        ),
        Shape::gzip(
            "variables that do not end",
            gzip("[", r#"{"a":{{x,"#, "1]"),
            "quarantined",
        ),
    ]
}

/// Small bodies from which a parser could produce much more data.
fn multiplying_shapes() -> Vec<Shape> {
    let failed = numbered(5_000, |n| {
        format!(r#"{{"id":"wamid.failed-{n}","status":"failed"}}"#)
    });
    let errors = numbered(1_000, |n| {
        format!(
            r#"{{"code":{n},"title":"{n}{0}","message":"{0}"}}"#,
            "e".repeat(1_000)
        )
    });
    let long = "p".repeat(2_000);
    let priced = format!(
        r#"{{"pricing":{{"category":"{long}","pricing_model":"{long}","price":"{long}"}},"reason":"{long}","remark":"r{long}","errorCode":"{long}","data":[{}]}}"#,
        numbered(5_000, |n| format!(
            r#"{{"id":"zix-{n}","status":"failed"}}"#
        )),
    );
    let ids = [
        "message_id",
        "uuid",
        "wamid",
        "wa_message_id",
        "whatsapp_message_id",
        "whatsapp_id",
        "external_id",
    ];
    let shared_ids = ids.iter().fold(String::new(), |mut text, name| {
        write!(text, r#""{name}":"{name}{}","#, "ä".repeat(480)).unwrap();
        text
    });
    let lancepilot = |attributes: &str| {
        format!(
            r#"{{"event":"message.status","data":{{"type":"messages","attributes":{{{attributes}}}}}}}"#
        )
    };
    let chain = format!(
        "{}[{}]{}",
        r#"{"data":"#.repeat(50),
        numbered(60_000, |_| "{}".to_owned()),
        "}".repeat(50)
    );
    vec![
        Shape::new(
            "errors of all statuses",
            format!(r#"{{"errors":[{errors}],"statuses":[{failed}]}}"#),
            "receipts",
        )
        .for_account(SOBOT),
        Shape::new("long texts around all statuses", priced, "receipts").for_account(ZIXFLOW),
        Shape::new(
            "long ids around all statuses",
            lancepilot(&format!(
                r#"{shared_ids}"statuses":[{}]"#,
                numbered(5_000, |_| r#"{"status":"read"}"#.to_owned())
            )),
            "receipts",
        )
        .for_account(LANCEPILOT),
        Shape::new(
            "entries for each resource",
            format!(
                r#"{{"event":"message.read","entry":[{}],"data":[{}]}}"#,
                numbered(40_000, |_| r#"{"changes":[]}"#.to_owned()),
                numbered(60_000, |_| "1".to_owned()),
            ),
            "quarantined",
        )
        .for_account(LANCEPILOT),
        Shape::new(
            "contacts for each status",
            format!(
                r#"{{"statuses":[{}],"contacts":[{}]}}"#,
                numbered(5_000, |n| format!(
                    r#"{{"id":"wamid.contact-{n}","status":"read"}}"#
                )),
                numbered(55_000, |_| r#"{"wa_id":"919970123456"}"#.to_owned()),
            ),
            "receipts",
        )
        .for_account(SOBOT),
        Shape::new("many objects deep inside", chain, "quarantined").for_account(ZIXFLOW),
        Shape::new(
            "a conversation for each status",
            format!(
                r#"{{"meta_object":{{"value":{{"statuses":[{}]}}}}}}"#,
                numbered(20_000, |n| format!(
                    r#"{{"id":"wamid.c-{n}","status":"read","conversation":{{"id":"conversation-{n}"}}}}"#
                )),
            ),
            "receipts",
        ),
    ]
}

/// What is not valid as it stands, or wrapped in something.
fn repaired_shapes() -> Vec<Shape> {
    let noise = vec![0xff; MIB];
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&noise).unwrap();
    let packed = packed.finish().unwrap().repeat(UNPACKED_LIMIT / MIB);
    let errors = numbered(5_000, |n| {
        format!(
            r#"{{"id":"wamid.held-{n}","status":"failed","errors":"[{{\"code\":{n},\"title\":\"x\"}}]"}}"#
        )
    });
    vec![
        Shape::new(
            "quotes behind colons in a text",
            plain("{'a':'", ":'a", ""),
            "quarantined",
        ),
        Shape::new(
            "bytes that are not UTF-8",
            vec![0xff; SENT_LIMIT],
            "quarantined",
        ),
        Shape::gzip("the same, gzip", packed, "quarantined").because("too long to be repaired"),
        Shape::new(
            "JSON in a JSON text",
            plain(r#""{\"statuses\":["#, "[],", r#"[]]}""#),
            "quarantined",
        )
        .because(TOO_MANY),
        Shape::gzip(
            "a long JSON text",
            gzip(r#""{\"a\":[\""#, r"\u00e4", r#"\"]}""#),
            "quarantined",
        ),
        Shape::new(
            "errors in texts",
            format!(r#"{{"statuses":[{errors}]}}"#),
            "receipts",
        ),
        Shape::gzip("empty documents", gzip("", "{}", ""), "quarantined").because(TOO_MANY),
        Shape::gzip(
            "bad lines",
            gzip("{\"a\":1}\n", "{\"a\n", ""),
            "quarantined",
        )
        .because(TOO_MANY),
        Shape::gzip(
            "words without meaning",
            gzip("[NaN,", "1 ,", "1]"),
            "quarantined",
        )
        .because(TOO_MANY),
        Shape::gzip(
            "line breaks in a text",
            gzip("[\"", "\n", "\"]"),
            "quarantined",
        )
        .because("too long to be repaired"),
        Shape::gzip(
            "half emojis",
            gzip(r#"{"id":"x","status":"sent","a":""#, r"\ud83d", r#""}"#),
            "receipts",
        ),
        Shape::gzip("nested names", gzip("", "a[b][c][d]=1&", ""), "quarantined")
            .of_type("application/x-www-form-urlencoded")
            .because(TOO_MANY),
    ]
}

fn compressed_shapes() -> Vec<Shape> {
    let arrays = format!("[{}1]", "[],".repeat(10 * MIB));
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(arrays.as_bytes()).unwrap();
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(arrays.as_bytes()).unwrap();
    let mut twice = GzEncoder::new(Vec::new(), Compression::fast());
    twice.write_all(&gzip("[", "[],", "1]")).unwrap();
    let empty = GzEncoder::new(Vec::new(), Compression::fast())
        .finish()
        .unwrap();
    let encoded = |encoding, shape: Shape| Shape {
        encoding: Some(encoding),
        ..shape
    };
    vec![
        encoded(
            "deflate",
            Shape::new("zlib", zlib.finish().unwrap(), "quarantined").because(TOO_MANY),
        ),
        encoded(
            "deflate",
            Shape::new("deflate", deflate.finish().unwrap(), "quarantined").because(TOO_MANY),
        ),
        encoded(
            "gzip, gzip",
            Shape::new("gzip twice", twice.finish().unwrap(), "quarantined").because(TOO_MANY),
        ),
        Shape::gzip(
            "empty members",
            empty.repeat(SENT_LIMIT / empty.len()),
            "probe",
        ),
        Shape::gzip("over 32 MiB", gzip("", " ", "").repeat(2), "quarantined")
            .because("more than 32 MiB"),
    ]
}

fn other_shapes() -> Vec<Shape> {
    let xml = "application/xml";
    let form = "application/x-www-form-urlencoded";
    let attributes = (0..240_000).fold(String::new(), |mut text, n| {
        write!(text, " a{n}=''").unwrap();
        text
    });
    vec![
        Shape::gzip("wide XML", gzip("<r>", "<a/>", "</r>"), "quarantined")
            .of_type(xml)
            .because(TOO_MANY),
        Shape::gzip(
            "XML with texts",
            gzip("<r>", "<a><b>1</b></a>", "</r>"),
            "quarantined",
        )
        .of_type(xml)
        .because(TOO_MANY),
        Shape::gzip("deep XML", gzip("", "<a>", ""), "quarantined")
            .of_type(xml)
            .because("nested deeper"),
        Shape::new("XML attributes", format!("<r{attributes}/>"), "quarantined")
            .of_type(xml)
            .because(TOO_MANY),
        Shape::gzip(
            "a long XML text",
            gzip(
                "<r><id>x</id><status>sent</status><a>",
                "abc\r\n",
                "</a></r>",
            ),
            "receipts",
        )
        .of_type(xml),
        Shape::gzip("XML entities", gzip("<r>", "&amp;", "</r>"), "quarantined")
            .of_type(xml)
            .because(TOO_MANY),
        Shape::gzip("form fields", gzip("", "a=1&", ""), "quarantined")
            .of_type(form)
            .because(TOO_MANY),
        Shape::new(
            "different form fields",
            (0..190_000)
                .map(|n| format!("{n}=1&"))
                .collect::<Vec<_>>()
                .concat(),
            "quarantined",
        )
        .of_type(form),
        Shape::gzip(
            "a long form value",
            gzip("id=x&status=sent&a=", "+%C3%A4", ""),
            "receipts",
        )
        .of_type(form),
        Shape::gzip(
            "JSON in a form field",
            gzip(r#"payload={"statuses":["#, "[],", "[]]}"),
            "quarantined",
        )
        .of_type(form),
        Shape::gzip("lines", gzip("", "a: 1\n", ""), "quarantined")
            .of_type("text/plain")
            .because(TOO_MANY),
        Shape::gzip(
            "multipart",
            gzip(
                "",
                "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n",
                "--b--",
            ),
            "quarantined",
        )
        .of_type("multipart/form-data; boundary=b")
        .because(TOO_MANY),
    ]
}
