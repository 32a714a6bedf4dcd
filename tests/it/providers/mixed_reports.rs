//! Callbacks in which it is unclear where one report ends and the next one begins: no report has a
//! value of another one, and none is dropped without a reason.

use bluetick::domain::callback_fields::CallbackFields;
use bluetick::domain::delivery_state::Stage;
use bluetick::domain::ids::ProviderMessageId;
use bluetick::domain::provider::ProviderId;
use bluetick::domain::receipt::ReceiptEvent;
use bluetick::providers::{Callback, CallbackPart, get, parse_callback};

use super::sample_callbacks::post;

/// The reports as `A delivered`, and whether something was quarantined.
fn read(provider: ProviderId, callback: &Callback) -> (Vec<String>, bool) {
    let parts = parse_callback(get(provider), &CallbackFields::default(), callback).parts;
    let mut reports = Vec::new();
    let mut is_quarantined = false;
    for part in parts {
        match part {
            CallbackPart::Report(report) => {
                let word = match report.event {
                    Some(ReceiptEvent::Stage(Stage::Delivered)) => "delivered".to_owned(),
                    Some(ReceiptEvent::Failure(failure)) => {
                        format!("failed {}", failure.code.unwrap_or_default())
                    }
                    other => format!("{other:?}"),
                };
                let ids: Vec<_> = report.ids.iter().map(ProviderMessageId::as_str).collect();
                reports.push(format!("{} {word}", ids.join(",")).trim_end().to_owned());
            }
            _ => is_quarantined = true,
        }
    }
    (reports, is_quarantined)
}

const SOBOT: ProviderId = ProviderId::Sobot;
const A: &str = r#"{"id":"wamid.A","status":"delivered"}"#;
const B: &str = r#"{"id":"wamid.B","status":"failed","errors":[{"code":131026}]}"#;
const BOTH: [&str; 2] = ["wamid.A delivered", "wamid.B failed 131026"];

#[test]
fn documents_are_read_one_by_one_whatever_separates_them() {
    let python = |text: &str| text.replace('"', "'");
    for provider in [SOBOT, ProviderId::Zixflow] {
        for separator in [
            "", ",", ";", "|", "\\n", "\\r\\n", "&", "&&", "<br>", "<br />\n", " - ", "\u{a0}",
            "\u{200b}", "\u{1a}", "%0A", "\"", "\"\n\"", "'", "\u{1e}", "\0", "\u{b}", "/", "#",
            "..", ",,", "\n--\n",
        ] {
            let mut bodies = vec![
                format!("{A}{separator}{B}"),
                format!("[{A}]{separator}[{B}]"),
            ];
            if !separator.contains('\0') {
                bodies.push(format!("[{A}{separator}{B}]"));
                bodies.push(format!(r#"{{"statuses":[{A}{separator}{B}]}}"#));
            }
            if !separator.contains(['"', '\'']) {
                bodies.push(format!("{}{separator}{}", python(A), python(B)));
                bodies.push(format!("[{}{separator}{}]", python(A), python(B)));
            }
            for body in bodies {
                let (reports, _) = read(provider, &post(body.clone()));
                assert_eq!(reports, BOTH, "{body:?}");
            }
        }
    }
}

#[test]
fn a_report_does_not_have_values_of_the_next_one() {
    let a = r#"{"id":"wamid.A","status":"delivered","name":"@"}"#;
    let b = r#"{"id":"wamid.B","status":"failed","name":"x"}"#;
    let with_name = |name: &str| a.replace("@\"", name);
    let mut bodies = vec![
        r#"{"id":"wamid.A","status":"delivered"{"id":"wamid.B","status":"failed"}"#.to_owned(),
        r#"[{"id":"wamid.A","status":"delivered",{"id":"wamid.B","status":"failed"}]"#.to_owned(),
        r#"[{"id":"wamid.A","status":"delivered"{"id":"wamid.B","status":"failed"}]"#.to_owned(),
        r#"{"id":"wamid.HB{"id": "wamid.B","status":"failed"}"#.to_owned(),
        r#"[{"id":"wamid.A","name":"M\"},{"id":"wamid.B","status":"failed"}]"#.to_owned(),
        r"[{id:'wamid.A',name:'M\'},{id:'wamid.B',status:'failed'}]".to_owned(),
        r#"{"id":"wamid.A","status":"delivered","id":"wamid.B","status":"failed"}"#.to_owned(),
        r#"{"id":"wamid.A","status":"delivered" "id":"wamid.B","status":"failed"}"#.to_owned(),
    ];
    for name in ["Meera \\\"", "Meera", "Meera\n", "\u{529f}\\\""] {
        let a = with_name(name);
        for body in [format!("[{a},{b}]"), format!("{a}{b}"), format!("{a}\n{b}")] {
            bodies.push(body.replace('"', "'"));
            bodies.push(body.replace('"', "&quot;"));
            bodies.push(body);
        }
    }
    for body in bodies {
        let (reports, is_quarantined) = read(SOBOT, &post(body.clone()));
        assert!(is_quarantined || reports.len() == 2, "{body}: {reports:?}");
        for report in reports {
            assert!(
                ["wamid.A delivered", "wamid.B failed"].contains(&report.as_str()),
                "{body}: {report}"
            );
        }
    }
}

#[test]
fn a_repeated_name_drops_no_status() {
    for body in [
        format!(r#"{{"statuses":[{A}],"statuses":[{B}]}}"#),
        format!(r#"{{"statuses":{A},"statuses":[{B}],"statuses":null}}"#),
        format!(
            r#"{{"changes":[{{"field":"messages","value":{{"statuses":[{A}]}}}}],"changes":[{{"field":"messages","value":{{"statuses":[{B}]}}}}]}}"#
        ),
        format!(r#"{{"payload":{A},"payload":{B}}}"#),
        format!("payload={A}&payload={B}"),
        format!(r#"{{"statuses":{{"0":{A},"1":null,"3":{B}}}}}"#),
        format!(r#"{{"statuses":{{"0":{A},"1":{B},"length":2}}}}"#),
        format!(
            r#"{{"id":null,"id":"wamid.A","id":"","status":"delivered","status":"delivered","id":null}};{B}"#
        ),
    ] {
        assert_eq!(
            read(SOBOT, &post(body.clone())),
            (BOTH.map(str::to_owned).to_vec(), false),
            "{body}"
        );
    }
}

#[test]
fn two_reports_in_one_form_are_quarantined() {
    let part = |name: &str, value: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    for form in [
        "id=wamid.A&status=&id=wamid.B&status=failed",
        "id=wamid.A&status=delivered&timestamp=&id=wamid.B&status=failed&timestamp=1763640005",
        "id=&status=failed&id=wamid.B&status=delivered",
        "id=&status=failed&id=wamid.B&status=",
        "id=wamid.A&status=&id=&status=failed",
        "id=wamid.A&id=wamid.B&status=failed&wamid=wamid.C&message_id=wamid.C",
        "id=wamid.A&status=delivered&status=failed&statusCode=failed",
    ] {
        let pairs: Vec<(&str, &str)> = form
            .split('&')
            .filter_map(|it| it.split_once('='))
            .collect();
        let lines: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let parts: Vec<String> = pairs
            .iter()
            .map(|(name, value)| part(name, value))
            .collect();
        let query = Callback {
            query: form.to_owned(),
            ..post("")
        };
        for callback in [
            post(form),
            query,
            post(lines.join("\n")),
            post(format!("{}--x--\r\n", parts.concat())),
        ] {
            assert_eq!(read(SOBOT, &callback), (Vec::new(), true), "{callback:?}");
        }
    }
}
