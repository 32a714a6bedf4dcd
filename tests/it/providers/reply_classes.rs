//! What every provider's replies mean for the message and for its account.

use bluetick::providers::reply_class::{FIRST_FOR_ALL, LAST_FOR_ALL, rules_of};
use serde_json::{Value, json};

use super::*;

/// The class of a reply: the first words of its outcome.
fn class(provider: ProviderId, status: u16, headers: &[(&str, &str)], body: &Value) -> String {
    let mut reply = reply(status, body.to_string());
    for (name, value) in headers {
        reply
            .headers
            .push(((*name).to_owned(), (*value).to_owned()));
    }
    let outcome = outcome(provider, reply);
    [
        "accepted",
        "account refused",
        "refused",
        "slow down recipient",
        "slow down",
        "try later",
        "unclear",
    ]
    .into_iter()
    .find(|class| outcome.starts_with(class))
    .unwrap_or_else(|| panic!("{outcome}"))
    .to_owned()
}

#[test]
fn an_http_status_means_the_same_at_every_provider() {
    for provider in ProviderId::ALL {
        for (status, headers, expected) in [
            (
                301,
                vec![("location", "https://x.example")],
                "account refused",
            ),
            (302, vec![], "account refused"),
            (308, vec![], "account refused"),
            (400, vec![], "refused"),
            (401, vec![], "account refused"),
            (403, vec![], "account refused"),
            (408, vec![], "unclear"),
            (410, vec![], "refused"),
            (422, vec![], "refused"),
            (429, vec![], "slow down"),
            (429, vec![("retry-after", "5")], "slow down"),
            (500, vec![], "unclear"),
            (502, vec![], "unclear"),
            (503, vec![], "unclear"),
            (503, vec![("retry-after", "5")], "try later"),
            (504, vec![], "unclear"),
        ] {
            let found = class(provider, status, &headers, &json!({ "message": "no" }));
            assert_eq!(found, expected, "{provider} {status} {headers:?}");
        }
    }
}

#[test]
fn metas_codes_of_a_rate_limit_slow_the_account_or_the_recipient() {
    for code in ["80007", "130429", "131048", "131056"] {
        let expected = match code {
            "131056" => "slow down recipient",
            _ => "slow down",
        };
        let number: u32 = code.parse().unwrap();
        for (provider, status, body) in [
            (
                ProviderId::Sobot,
                400,
                json!({ "message": "rate limit hit", "code": number }),
            ),
            (
                ProviderId::Sobot,
                200,
                json!({ "message": "rate limit hit", "code": code }),
            ),
            (
                ProviderId::Kaleyra,
                400,
                json!({ "code": code, "message": "limit", "data": {}, "error": { "error": "limit" } }),
            ),
            (
                ProviderId::Kaleyra,
                200,
                json!({ "code": code, "message": "limit", "data": {}, "error": { "error": "limit" } }),
            ),
            (
                ProviderId::Zixflow,
                400,
                json!({ "status": false, "code": number, "message": "limit" }),
            ),
            (
                ProviderId::Zixflow,
                200,
                json!({ "status": false, "code": code, "message": "limit" }),
            ),
            (
                ProviderId::LancePilot,
                400,
                json!({ "code": number, "message": "limit" }),
            ),
        ] {
            assert_eq!(
                class(provider, status, &[], &body),
                expected,
                "{provider} {body}"
            );
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_provider_has_its_own_words_and_codes() {
    let kaleyra = |code: &str, key: &str| json!({ "code": code, "message": "words", "data": {}, "error": { (key): "words" } });
    let zixflow = |words: &str| json!({ "status": false, "message": words });
    for (provider, status, body, expected) in [
        (
            ProviderId::Sobot,
            200,
            json!({ "data": { "id": "wamid.x", "status": "submitted" }, "message": "sent", "code": 200 }),
            "accepted",
        ),
        (
            ProviderId::Sobot,
            200,
            json!({ "message": "Invalid mobile number", "code": 400 }),
            "refused",
        ),
        (
            ProviderId::Sobot,
            200,
            json!({ "message": "Forbidden", "code": 403 }),
            "account refused",
        ),
        (
            ProviderId::Sobot,
            400,
            json!({ "message": "Insufficient balance", "code": 400 }),
            "account refused",
        ),
        (
            ProviderId::Sobot,
            404,
            json!({ "message": "Not found" }),
            "refused",
        ),
        (
            ProviderId::Kaleyra,
            202,
            json!({ "code": "WA202", "message": "ok", "data": { "message_id": "A1" }, "error": {} }),
            "accepted",
        ),
        (
            ProviderId::Kaleyra,
            200,
            json!({ "code": "WA200", "message": "ok", "data": { "message_id": "A1" }, "error": {} }),
            "accepted",
        ),
        (
            ProviderId::Kaleyra,
            401,
            kaleyra("RBC001", "error"),
            "account refused",
        ),
        (
            ProviderId::Kaleyra,
            400,
            kaleyra("E110", "balance"),
            "account refused",
        ),
        (
            ProviderId::Kaleyra,
            200,
            kaleyra("WAV2101", "error"),
            "account refused",
        ),
        (
            ProviderId::Kaleyra,
            400,
            kaleyra("WA401", "phone_number"),
            "account refused",
        ),
        (
            ProviderId::Kaleyra,
            401,
            kaleyra("WA-401", "account"),
            "account refused",
        ),
        (ProviderId::Kaleyra, 400, kaleyra("WA400", "to"), "refused"),
        (ProviderId::Kaleyra, 400, kaleyra("E13001", "to"), "refused"),
        (
            ProviderId::Kaleyra,
            500,
            kaleyra("WA500", "error"),
            "try later",
        ),
        (
            ProviderId::Kaleyra,
            500,
            kaleyra("WA999", "error"),
            "unclear",
        ),
        (
            ProviderId::Kaleyra,
            400,
            json!({ "code": "E13001", "message": "Insufficient balance", "data": {}, "error": {} }),
            "account refused",
        ),
        (
            ProviderId::Zixflow,
            200,
            json!({ "status": true, "message": "sent", "messageId": "1" }),
            "accepted",
        ),
        (
            ProviderId::Zixflow,
            400,
            zixflow("Invalid data Provided"),
            "refused",
        ),
        (
            ProviderId::Zixflow,
            200,
            zixflow("Invalid data Provided"),
            "refused",
        ),
        (
            ProviderId::Zixflow,
            400,
            zixflow("Insufficient balance"),
            "account refused",
        ),
        (
            ProviderId::Zixflow,
            200,
            zixflow("Your wallet balance is low"),
            "account refused",
        ),
        (
            ProviderId::Zixflow,
            400,
            zixflow("Your plan does not include this API"),
            "account refused",
        ),
        (
            ProviderId::Zixflow,
            200,
            zixflow("Unauthorised"),
            "account refused",
        ),
        (
            ProviderId::Zixflow,
            400,
            zixflow("No token provided"),
            "account refused",
        ),
        (ProviderId::Zixflow, 404, zixflow("Not found"), "refused"),
        (
            ProviderId::Zixflow,
            500,
            zixflow("balance service failed"),
            "unclear",
        ),
        (
            ProviderId::LancePilot,
            201,
            json!({ "status": 201, "message": "created", "data": {} }),
            "accepted",
        ),
        (
            ProviderId::LancePilot,
            401,
            json!({ "message": "Unauthenticated." }),
            "account refused",
        ),
        (
            ProviderId::LancePilot,
            404,
            json!({ "message": "Resource not found.", "status": 404 }),
            "account refused",
        ),
        (
            ProviderId::LancePilot,
            404,
            json!({ "message": "Contact not found.", "status": 404 }),
            "refused",
        ),
        (
            ProviderId::LancePilot,
            422,
            json!({ "message": "Validation error", "errors": { "file": ["too large"] } }),
            "refused",
        ),
        (
            ProviderId::LancePilot,
            402,
            json!({ "message": "Insufficient balance" }),
            "account refused",
        ),
    ] {
        assert_eq!(
            class(provider, status, &[], &body),
            expected,
            "{provider} {status} {body}"
        );
    }
}

#[test]
fn the_tables_are_written_in_lower_case_and_cover_every_status() {
    for provider in ProviderId::ALL {
        for rule in FIRST_FOR_ALL
            .iter()
            .chain(rules_of(provider))
            .chain(LAST_FOR_ALL)
        {
            for text in rule.texts {
                assert_eq!(*text, text.to_lowercase());
            }
        }
    }
    let last = LAST_FOR_ALL.last().unwrap();
    assert!(last.statuses.contains(&0) && last.statuses.contains(&u16::MAX));
}
