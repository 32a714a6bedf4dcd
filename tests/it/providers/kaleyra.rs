//! Kaleyra: exact requests, its seven error bodies, and callbacks from V2 pass-through to V1 query
//! strings.

use bluetick::domain::correlation_tag;
use bluetick::domain::failure::{Failure, FailureClass};
use bluetick::domain::failure_codes::describe;
use bluetick::domain::media::{MediaKind, MediaSource};
use bluetick::domain::message::References;
use bluetick::domain::provider::ProviderId::Kaleyra;
use bluetick::domain::provider_account::{Credentials, KaleyraRegion};
use bluetick::domain::secret::Secret;
use bluetick::domain::send_error::SendError;
use bluetick::providers::{SendStep, get};

use super::{
    account, call, callback, check_callbacks, check_golden, fixture, lines, message, message_id,
    outcome, reply,
};

/// The id in `statuses` or `extra_info`; callback profiles have only this one.
const WAMID: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSQjAxRjVBNkU3Qzg5RDAxMjM0AA==";
/// The other id, at the top level of V2 callbacks.
const TOP_LEVEL_WAMID: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSNzU1NkQ5MEFBQjEyM0NERTQ1AA==";
/// An id of the V1 API.
const V1_ID: &str = "7b1e6c52-0d3f-4a86-9c1b-5a2f60c9d7e1:0";

#[test]
fn each_kind_is_submitted_as_documented() {
    let account = account(Kaleyra);
    let image = message(&account, MediaKind::Image);
    check_golden("kaleyra/requests/image.json", &call(&account, &image));
    let mut video = message(&account, MediaKind::Video);
    video.draft.media.source = MediaSource::Id("1166000000000424".to_owned());
    video.draft.media.mime_type = None;
    check_golden("kaleyra/requests/video_by_id.json", &call(&account, &video));
}

#[test]
fn each_region_is_called_at_its_documented_host() {
    for (region, host) in [
        (KaleyraRegion::India, "api.in.kaleyra.io"),
        (KaleyraRegion::Singapore, "api.ap.kaleyra.io"),
        (KaleyraRegion::Europe, "api.eu.kaleyra.io"),
    ] {
        let mut account = account(Kaleyra);
        account.credentials = Credentials::Kaleyra {
            region: Some(region),
            sid: "HXAP2600001".to_owned(),
            api_key: Secret::new("kaleyra-key"),
        };
        let url = call(&account, &message(&account, MediaKind::Video)).url;
        assert!(
            url.starts_with(&format!("https://{host}/v2/HXAP2600001/whatsapp/")),
            "{url}"
        );
    }
}

#[test]
fn with_three_references_the_tag_is_appended_to_the_last() {
    let mut account = account(Kaleyra);
    account.base_url = Some("http://127.0.0.1:9".to_owned());
    let mut message = message(&account, MediaKind::Video);
    message.draft.references = References {
        reference: Some("customer1".to_owned()),
        reference1: Some("marketing".to_owned()),
        reference2: Some("dictionary".to_owned()),
    };
    message.draft.options.wa_source = Some("shopify".to_owned());
    message.draft.media.caption = None;
    check_golden(
        "kaleyra/requests/video_with_references.json",
        &call(&account, &message),
    );
}

#[test]
fn references_without_room_for_the_tag_are_not_sent() {
    let account = account(Kaleyra);
    let mut message = message(&account, MediaKind::Video);
    let full = Some("x".repeat(255));
    message.draft.references = References {
        reference: full.clone(),
        reference1: full.clone(),
        reference2: full,
    };
    assert!(matches!(
        get(Kaleyra).send(&account, &message, &[]),
        SendStep::Failed(error) if !matches!(error, SendError::AccountRefused(_)) && error.failure().title.unwrap().contains("refs")
    ));
}

#[test]
fn each_of_the_seven_error_bodies_has_its_outcome() {
    for (file, status, expected, class) in [
        (
            "rbc001",
            401,
            "account refused RBC001 | Incorrect SID or API key. | - | error",
            FailureClass::Account,
        ),
        (
            "wa401_phone_number",
            401,
            "account refused WA401 | Phone number is not present or does not belong to the account. | - | phone_number",
            FailureClass::Account,
        ),
        (
            "wa400",
            400,
            "refused WA400 | Refer to correct payload format | Incorrect payload format | payload",
            FailureClass::Provider,
        ),
        (
            "wa500",
            500,
            "try later None WA500 | Please try again later | Internal server error | error",
            FailureClass::Provider,
        ),
        (
            "e110",
            400,
            "account refused E110 | Please check your balance, You have a low balance! | - | balance",
            FailureClass::Account,
        ),
        (
            "wa-401_account",
            401,
            "account refused WA-401 | API is not available for given customer.Please contact support for more info | - | account",
            FailureClass::Account,
        ),
        (
            "wa-401_version",
            401,
            "account refused WA-401 | The phone number you're using is associated with different Version of our WA API. Please use the appropriate endpoint. | - | phone_number",
            FailureClass::Account,
        ),
    ] {
        let body = fixture(&format!("kaleyra/replies/{file}.json"));
        for status in [status, 200] {
            let actual = outcome(Kaleyra, reply(status, body.clone()));
            assert_eq!(actual, expected, "{file} with HTTP {status}");
        }
        let columns: Vec<_> = expected.split(" | ").collect();
        let failure = Failure {
            code: columns[0].split(' ').next_back().map(ToOwned::to_owned),
            key: Some(columns[3].to_owned()),
            ..Failure::default()
        };
        assert_eq!(describe(Kaleyra, &failure).class, class, "{file}");
    }
}

#[test]
fn an_internal_error_follows_the_documented_schedule() {
    let minutes: Vec<_> = get(Kaleyra)
        .capabilities()
        .retry_schedule
        .iter()
        .map(|wait| wait.as_secs() / 60)
        .collect();
    assert_eq!(minutes, [5, 10, 15]);
}

#[test]
fn both_codes_of_success_are_accepted_and_an_unreadable_reply_is_unclear() {
    for (status, body, expected) in [
        (
            202,
            fixture("kaleyra/replies/accepted_202.json"),
            "accepted [A19f2c7d4e8b60351a2c]",
        ),
        (
            200,
            br#"{"code":"WA200","message":"ok","data":{"message_id":"A2"},"error":{}}"#.to_vec(),
            "accepted [A2]",
        ),
        (
            202,
            br#"{"code":"WA202","message":"Request Accepted","data":{},"error":{}}"#.to_vec(),
            "accepted []",
        ),
        (
            200,
            br#"{"id":"7b1e6c52-0d3f-4a86-9c1b-5a2f60c9d7e1:0"}"#.to_vec(),
            "accepted [7b1e6c52-0d3f-4a86-9c1b-5a2f60c9d7e1:0]",
        ),
        // As printed in the documentation, two commas are missing.
        (
            202,
            fixture("kaleyra/replies/accepted_202_as_printed.txt"),
            "unclear HTTP 202 with an unreadable body",
        ),
        (
            200,
            br#"{"error":{"to":"invalid number"}}"#.to_vec(),
            "refused - | - | invalid number | to",
        ),
        (
            200,
            br#"{"code":"WA777","message":"new","data":{},"error":{}}"#.to_vec(),
            "unclear HTTP 200 with an unreadable body",
        ),
        (
            500,
            br#"{"code":"WA777","message":"new","data":{},"error":{}}"#.to_vec(),
            "unclear HTTP 500, code WA777: new",
        ),
        (
            400,
            br#"{"code":"WAV2101","message":"Account daily limit reached"}"#.to_vec(),
            "account refused WAV2101 | Account daily limit reached | - | -",
        ),
    ] {
        assert_eq!(outcome(Kaleyra, reply(status, body)), expected);
    }
}

#[test]
fn each_callback_shape_gives_its_receipts() {
    let sent = format!(
        "sent [{WAMID}, {TOP_LEVEL_WAMID}] to 447700900123 at 2025-11-20T00:53:51 tag true pricing true marketing Conversation-Based Pricing -"
    );
    let not_sent = format!(
        "failed WAV2101 | Account daily limit reached | - | - [{TOP_LEVEL_WAMID}, {WAMID}] to - at - tag true"
    );
    check_callbacks(
        Kaleyra,
        "kaleyra/callbacks",
        &[
            ("v2_status_sent.json", &[&sent]),
            ("v2_status_sent_trailing_comma.txt", &[&sent]),
            ("v2_status_not_sent_daily_limit.json", &[&not_sent]),
            (
                "v2_inbound_contacts.json",
                &["inbound from 447700900123 at 2025-11-20T00:54:00"],
            ),
            (
                "v2_status_failed.json",
                &[&format!(
                    "failed 131053 | Media upload error | Downloading media from weblink failed with http code 410, status message Gone | - [{WAMID}, {TOP_LEVEL_WAMID}] to 447700900123 at 2025-11-20T00:54:01 tag true"
                )],
            ),
            (
                "v2_status_delivered_price.json",
                &[&format!(
                    "delivered [{WAMID}, {TOP_LEVEL_WAMID}] to 447700900123 at 2025-11-20T00:53:55 tag true pricing true marketing Conversation-Based Pricing 0.7846"
                )],
            ),
            (
                "v2_submit_success.json",
                &[&format!(
                    "submitted [{TOP_LEVEL_WAMID}, {WAMID}] to - at - tag true"
                )],
            ),
            (
                "profile_placeholders.json",
                &[&format!(
                    "delivered [{WAMID}] to 447700900123 at - tag true"
                )],
            ),
            (
                "profile_form.txt",
                &[&format!(
                    "failed - | Number opted out | - | - [{WAMID}] to 447700900123 at - tag true"
                )],
            ),
            (
                "v1_status_read.txt",
                &[&format!("read [{V1_ID}] to - at -")],
            ),
            (
                "v1_status_unknown_word.txt",
                &[&format!("other deleted [{V1_ID}] to - at -")],
            ),
            (
                "v1_status_zero.txt",
                &[&format!("failed - | - | - | - [{V1_ID}] to - at -")],
            ),
            (
                "v1_inbound_text.txt",
                &["inbound from 447700900123 at 2025-11-20T00:54:10"],
            ),
            (
                "v1_inbound_image.txt",
                &["inbound from 447700900123 at 2025-11-20T00:54:11"],
            ),
            (
                "profile_batch.xml",
                &[
                    &format!("delivered [{WAMID}] to 447700900123 at 2025-11-20T00:54:25 tag true"),
                    &format!("read [{TOP_LEVEL_WAMID}] to - at -"),
                ],
            ),
            (
                "profile_lines.txt",
                &[&format!("read [{WAMID}] to 447700900123 at - tag true")],
            ),
            (
                "quality_update.txt",
                &["notice quality rating: FLAGGED TIER_10K"],
            ),
            (
                "template_status.json",
                &["notice template status: APPROVED"],
            ),
            (
                "fallback_flow.json",
                &[
                    "other TIMEOUT [1c2d3e4f-0000-4e41-97a5-3ac450000c1b] to 447700900123 at 2025-11-20T01:00:11.379310507",
                ],
            ),
        ],
    );
}

#[test]
fn a_conversation_id_is_never_a_message_id_even_without_a_conversation() {
    let body = |beside: &str| {
        format!(
            r#"{{"meta_object":{{"value":{{"statuses":[{{"id":"c0ffee00c0ffee00c0ffee00c0ffee00","status":"read"{beside}}}]}},"field":"messages"}},"extra_info":{{"ref2":"{}"}},"status":"read"}}"#,
            correlation_tag::format_tag(message_id())
        )
    };
    for beside in [
        "",
        r#","conversation":{"id":"c0ffee00c0ffee00c0ffee00c0ffee00"}"#,
    ] {
        assert_eq!(
            lines(Kaleyra, &callback(body(beside), None)),
            ["read [] to - at - tag true"]
        );
    }
}

#[test]
fn the_tag_is_found_in_every_slot_and_unfilled_placeholders_are_absent() {
    let tag = correlation_tag::format_tag(message_id());
    for slot in ["ref", "ref1", "ref2", "my_own_name"] {
        let body = format!(
            r#"{{"message_id":"<message_id>","status":"delivered","{slot}":"order 7 {tag}","timestamp":"<time>"}}"#
        );
        assert_eq!(
            lines(Kaleyra, &callback(body, None)),
            ["delivered [] to - at - tag true"]
        );
    }
    assert_eq!(
        lines(
            Kaleyra,
            &callback(r#"{"message_id":"<message_id>","status":"<status>"}"#, None)
        ),
        ["unreadable neither a status nor a message"]
    );
}

#[test]
fn a_failure_without_a_meta_status_is_parsed_from_both_objects() {
    let body = r#"{"meta_object":{"value":{"messaging_product":"whatsapp","errors":[{"code":131053,"title":"Media upload error"}]},"field":"messages"},"status":"submit-failure","message_id":"m1"}"#;
    assert_eq!(
        lines(Kaleyra, &callback(body, None)),
        ["failed 131053 | Media upload error | - | - [m1] to - at -"]
    );
}

#[test]
fn several_statuses_in_one_wrapper_are_one_message_unless_their_ids_differ() {
    let body = |first: &str, second: &str| {
        format!(
            r#"{{"meta_object":{{"value":{{"statuses":[{{"id":"{first}","status":"sent"}},{{"id":"{second}","status":"read"}}]}},"field":"messages"}},"extra_info":{{"message_id":"k1"}},"status":"read","message_id":"k2"}}"#
        )
    };
    let conversation = "c0ffee00c0ffee00c0ffee00c0ffee00";
    assert_eq!(
        lines(Kaleyra, &callback(body(conversation, conversation), None)),
        ["sent [k1, k2] to - at -", "read [k1, k2] to - at -"]
    );
    assert_eq!(
        lines(Kaleyra, &callback(body("wamid.a", "wamid.b"), None)),
        ["sent [wamid.a] to - at -", "read [wamid.b] to - at -"]
    );
}

#[test]
fn statuses_with_only_a_conversation_id_get_the_ids_and_the_tag_of_the_wrapper() {
    let conversation = "conv-7f3a";
    let status = |word: &str, beside: &str| {
        format!(
            r#"{{"id":"{conversation}","status":"{word}","recipient_id":"447700900123"{beside}}}"#
        )
    };
    let beside = format!(r#","conversation":{{"id":"{conversation}"}}"#);
    // Meta leaves the conversation out of some of the statuses.
    let statuses = [
        status("sent", &beside),
        status("delivered", ""),
        status("read", &beside),
    ];
    let body = format!(
        r#"{{"meta_object":{{"value":{{"statuses":[{}]}},"field":"messages"}},"extra_info":{{"message_id":"{WAMID}","ref2":"{}"}},"status":"read","message_id":"{TOP_LEVEL_WAMID}"}}"#,
        statuses.join(","),
        correlation_tag::format_tag(message_id())
    );
    let named = format!("[{WAMID}, {TOP_LEVEL_WAMID}] to 447700900123 at - tag true");
    assert_eq!(
        lines(Kaleyra, &callback(body, None)),
        ["sent", "delivered", "read"].map(|word| format!("{word} {named}"))
    );
}
