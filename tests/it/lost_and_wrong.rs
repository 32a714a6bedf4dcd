//! What operators of such systems lost, and what they were shown wrongly: each complaint, and the tests that keep it from happening here.

use bluetick::simulator::ForcedReply;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::app::{
    App, KALEYRA, SOBOT, ZIXFLOW, image_to, noon, start_app, start_app_with,
};
use crate::house::sources::{read, rust_files};

/// A complaint, and the names of the tests that bear its words.
const COMPLAINTS: &[(&str, &[&str])] = &[
    // Lost
    (
        "a status that is posted once only is lost by a 5xx, a deploy gap or one busy database",
        &[
            "a_lock_held_elsewhere_delays_no_answer_and_costs_no_callback",
            "a_locked_main_database_answers_503_and_keeps_taking_callbacks",
            "what_cannot_be_made_durable_is_not_acknowledged",
        ],
    ),
    (
        "a crash loses what was acknowledged",
        &["callbacks_in_the_spool_of_a_killed_process_are_in_the_journal_after_the_next_start"],
    ),
    (
        "body limits cut or refuse batches of up to 3 MB",
        &[
            "bodies_are_kept_byte_for_byte",
            "one_byte_over_the_limit_is_refused_however_it_is_sent",
            "a_payload_of_three_mebibytes_with_a_thousand_statuses_is_parsed_completely",
        ],
    ),
    (
        "a login answers 403 to the provider, a signature check blocks the handshake",
        &[
            "every_method_and_content_type_is_taken",
            "a_handshake_is_answered_with_its_challenge",
        ],
    ),
    (
        "a nonce burned before the commit makes a retried callback unrecoverable",
        &["every_effect_of_a_callback_is_there_once_after_a_restart"],
    ),
    (
        "a callback for a message whose id is not stored yet is dropped",
        &[
            "a_callback_before_the_reply_merges_when_the_reply_names_its_id",
            "a_report_on_an_unknown_id_waits_for_as_long_as_it_takes",
        ],
    ),
    (
        "one failing lookup kills the whole batch, only its first status is read, the loop ends at the first unknown id",
        &[
            "one_bad_element_of_a_batch_does_not_stop_its_neighbours",
            "an_unknown_id_in_a_batch_stops_none_of_those_behind_it",
        ],
    ),
    // Wrong
    (
        "delivered turns back into sent by a late callback, read is overwritten by delivered",
        &[
            "a_late_sent_receipt_does_not_undo_delivered",
            "delivered_does_not_turn_back_into_sent_nor_read_into_delivered",
        ],
    ),
    (
        "failed is revived by a late sent, its error text erased by a null",
        &["failed_is_not_revived_by_a_late_sent_nor_its_words_erased_by_a_null"],
    ),
    (
        "failed and delivered both arrive: a green tick beside error 131026",
        &[
            "failed_and_delivered_is_delivered_with_a_conflict_in_either_order",
            "failed_and_delivered_is_delivered_with_a_conflict",
            "contradicting_reports_are_counted_as_listed",
        ],
    ),
    (
        "delivered never comes because read implies it; percentages exceed 100",
        &[
            "read_without_delivered_implies_it_at_the_same_time",
            "more_read_than_delivered_makes_no_share_exceed_a_hundred",
        ],
    ),
    (
        "an unknown status word marks the message failed",
        &[
            "an_unknown_word_changes_nothing",
            "an_unknown_word_changes_nothing_and_fails_nothing",
        ],
    ),
    (
        "later statuses are dropped as duplicates; each event is sent 3 to 46 times",
        &[
            "order_and_repetition_of_callbacks_change_nothing_but_the_counts",
            "an_event_that_is_sent_46_times_is_one_stage_and_drops_none_of_the_others",
            "sixty_four_concurrent_posts_for_one_id_end_in_the_one_right_state",
        ],
    ),
    (
        "ids are compared case-insensitively, with + turned into a space, or rounded to a double",
        &[
            "ids_are_compared_exactly_and_belong_to_one_account",
            "an_id_whose_plus_became_a_space_is_found",
            "an_id_above_two_to_the_53_is_not_rounded",
            "an_inexact_number_is_not_an_id",
        ],
    ),
    (
        "the same provider id under two accounts is mixed up",
        &["ids_are_compared_exactly_and_belong_to_one_account"],
    ),
    (
        "number variants (BR 9, AR 9, MX 1) make two contacts of one; some callbacks carry no phone at all",
        &[
            "brazil_argentina_and_mexico_have_two_spellings_of_one_number",
            "number_variants_of_brazil_argentina_and_mexico_are_one_customer_when_a_report_is_matched",
            "number_variants_are_suggested_and_keep_their_report_from_being_adopted",
            "a_customers_message_opens_the_window_of_both_spellings",
            "a_message_is_found_by_either_spelling_of_its_number",
            "a_callback_that_carries_no_phone_at_all_is_applied_all_the_same",
        ],
    ),
    (
        "the dashboard's count and the list behind it disagree",
        &[
            "the_count_of_every_state_and_the_list_behind_it_agree",
            "overdue_messages_are_counted_as_listed_and_leave_when_resolved",
            "uncertain_messages_are_counted_as_listed_and_leave_when_resolved",
            "a_callback_with_several_unreadable_parts_counts_and_is_listed_once",
        ],
    ),
];

#[test]
fn every_complaint_has_tests_that_exist() {
    let sources: String = rust_files(&["src", "tests/it"])
        .iter()
        .map(|file| read(file))
        .collect();
    for (complaint, tests) in COMPLAINTS {
        assert!(!tests.is_empty(), "{complaint}");
        for test in *tests {
            assert!(
                sources.contains(&format!("fn {test}(")),
                "{complaint}: {test} is gone"
            );
        }
    }
}

fn status(id: &str, word: &str, second: i64) -> Value {
    let at = noon().timestamp() + second;
    json!({ "id": id, "status": word, "timestamp": at.to_string() })
}

async fn post_callbacks(app: &App, account: &str, bodies: &[Value]) {
    for body in bodies {
        app.deliver_callback(account, body).await;
        app.run_jobs_until_idle().await;
    }
}

/// A submitted message of Sobot, and its wamid.
async fn submitted_message(app: &App) -> (String, String) {
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let wamid = app.message(&id).await["provider_id"].clone();
    (id, wamid.as_str().unwrap().to_owned())
}

#[actix_web::test]
async fn a_report_on_an_unknown_id_waits_for_as_long_as_it_takes() {
    let app = start_app().await;
    post_callbacks(&app, SOBOT, &[status("wamid.EARLY", "read", 1)]).await;
    assert_eq!(app.orphans().await.len(), 1);
    app.advance(TimeDelta::days(28));
    app.run_jobs_until_idle().await;
    let reply = json!({ "data": { "id": "wamid.EARLY", "status": "submitted" }, "code": 200 });
    app.force(SOBOT, ForcedReply::json(200, &reply));
    let (id, _) = submitted_message(&app).await;
    assert_eq!(app.state(&id).await, "read");
    assert!(app.orphans().await.is_empty());
    app.finish().await;
}

#[actix_web::test]
async fn an_unknown_id_in_a_batch_stops_none_of_those_behind_it() {
    let app = start_app().await;
    let (first, one) = submitted_message(&app).await;
    let (second, two) = submitted_message(&app).await;
    let statuses = [
        status("wamid.UNKNOWN", "read", 1),
        status(&one, "delivered", 1),
        status("wamid.UNKNOWN2", "read", 1),
        status(&two, "read", 1),
    ];
    let batch = json!([{ "field": "messages", "value": { "statuses": statuses } }]);
    post_callbacks(&app, SOBOT, &[batch]).await;
    assert_eq!(app.state(&first).await, "delivered");
    assert_eq!(app.state(&second).await, "read");
    assert_eq!(app.orphans().await.len(), 2);
    app.finish().await;
}

#[actix_web::test]
async fn delivered_does_not_turn_back_into_sent_nor_read_into_delivered() {
    let app = start_app().await;
    let (id, wamid) = submitted_message(&app).await;
    for (word, second, state) in [
        ("delivered", 2, "delivered"),
        ("sent", 1, "delivered"),
        ("sent", 9, "delivered"),
        ("read", 3, "read"),
        ("delivered", 2, "read"),
        ("delivered", 9, "read"),
    ] {
        post_callbacks(&app, SOBOT, &[status(&wamid, word, second)]).await;
        assert_eq!(app.state(&id).await, state, "after {word}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn failed_is_not_revived_by_a_late_sent_nor_its_words_erased_by_a_null() {
    let app = start_app().await;
    let (id, wamid) = submitted_message(&app).await;
    let mut failed = status(&wamid, "failed", 2);
    failed["errors"] = json!([{ "code": 131_053, "title": "Media upload error" }]);
    let mut wordless = status(&wamid, "failed", 5);
    wordless["errors"] = json!(null);
    let mut empty = status(&wamid, "failed", 6);
    empty["errors"] = json!([{ "code": null, "title": null }]);
    post_callbacks(&app, SOBOT, &[failed]).await;
    let before = app.message(&id).await["failure"].clone();
    assert_eq!(before["code"], "131053");
    post_callbacks(&app, SOBOT, &[status(&wamid, "sent", 9), wordless, empty]).await;
    let after = app.message(&id).await;
    assert_eq!(
        (&after["state"], &after["failure"]),
        (&json!("failed"), &before)
    );
    app.finish().await;
}

#[actix_web::test]
async fn more_read_than_delivered_makes_no_share_exceed_a_hundred() {
    let app = start_app().await;
    for number in 0..3 {
        let (_, wamid) = submitted_message(&app).await;
        post_callbacks(&app, SOBOT, &[status(&wamid, "read", 1)]).await;
        if number == 0 {
            post_callbacks(&app, SOBOT, &[status(&wamid, "delivered", 1)]).await;
        }
    }
    let page = app.request("GET", "/").send().await.unwrap();
    let page = page.text().await.unwrap();
    let shares: Vec<f64> = page
        .split('%')
        .filter_map(|before| {
            let from = before.rfind(|c: char| !c.is_ascii_digit() && c != '.')? + 1;
            before[from..].parse().ok()
        })
        .collect();
    assert!(shares.contains(&100.0), "{shares:?}");
    assert!(shares.iter().all(|share| *share <= 100.0), "{shares:?}");
    app.finish().await;
}

#[actix_web::test]
async fn an_event_that_is_sent_46_times_is_one_stage_and_drops_none_of_the_others() {
    let app = start_app().await;
    let (id, wamid) = submitted_message(&app).await;
    for word in ["sent", "delivered", "read"] {
        for _ in 0..46 {
            app.deliver_callback(SOBOT, &status(&wamid, word, 1)).await;
        }
    }
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "read");
    for stage in ["sent", "delivered", "read"] {
        assert_eq!(shown["stages"][stage]["count"], 46);
        assert_eq!(shown["stages"][stage]["at"], "2026-11-20T12:00:01.000Z");
    }
    let counted = app.get_ok("/api/v1/messages?state=read").await;
    assert_eq!(counted["data"].as_array().unwrap().len(), 1);
    app.finish().await;
}

#[actix_web::test]
async fn an_id_whose_plus_became_a_space_is_found() {
    let app = start_app().await;
    let reply =
        json!({ "code": "WA202", "data": { "message_id": "wamid.A+b/C+d==" }, "error": {} });
    app.force(KALEYRA, ForcedReply::json(202, &reply));
    let id = app.send_image(KALEYRA).await;
    app.run_jobs_until_idle().await;
    // The plus is not encoded, so that it is read as a space.
    let url = format!(
        "{}?id=wamid.A+b/C+d==&status=read",
        app.callback_url(KALEYRA)
    );
    assert_eq!(app.client.get(url).send().await.unwrap().status(), 200);
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "read");
    app.finish().await;
}

#[actix_web::test]
async fn an_id_above_two_to_the_53_is_not_rounded() {
    let app = start_app().await;
    let mut sent = Vec::new();
    for number in [604_132_581_490_819_177_u64, 604_132_581_490_819_178] {
        let reply = json!({ "status": true, "message": "taken", "messageId": number });
        app.force(ZIXFLOW, ForcedReply::json(200, &reply));
        sent.push(app.send_image(ZIXFLOW).await);
        app.run_jobs_until_idle().await;
    }
    let body = json!({
        "type": "delivery_status", "channel": "whatsapp", "message_id": 604_132_581_490_819_178_u64, "status": "delivered",
    });
    post_callbacks(&app, ZIXFLOW, &[body]).await;
    let states = [app.state(&sent[0]).await, app.state(&sent[1]).await];
    assert_eq!(states, ["submitted", "delivered"]);
    app.finish().await;
}

#[actix_web::test]
async fn a_callback_that_carries_no_phone_at_all_is_applied_all_the_same() {
    let app = start_app().await;
    let (id, wamid) = submitted_message(&app).await;
    post_callbacks(
        &app,
        SOBOT,
        &[status(&wamid, "delivered", 1), status("wamid.X", "sent", 1)],
    )
    .await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "delivered");
    assert_eq!(
        shown["to"], "447700900123",
        "the number it was sent to stays"
    );
    let orphan = &app.orphans().await[0];
    assert!(orphan.get("recipient").is_none(), "{orphan}");
    app.advance(TimeDelta::minutes(11));
    app.run_jobs_until_idle().await;
    let observed = app.get_ok("/api/v1/messages?origin=observed").await;
    let row = &observed["data"][0];
    assert_eq!((&row["state"], row.get("to")), (&json!("sent"), None));
    app.finish().await;
}

#[actix_web::test]
async fn the_count_of_every_state_and_the_list_behind_it_agree() {
    let app = start_app_with(|_, accounts| accounts[1].rate = Some(0.1)).await;
    for word in [
        "sent",
        "delivered",
        "read",
        "failed",
        "teleported",
        "failed",
    ] {
        let (_, wamid) = submitted_message(&app).await;
        post_callbacks(&app, SOBOT, &[status(&wamid, word, 1)]).await;
    }
    for account in [KALEYRA, KALEYRA, ZIXFLOW] {
        app.send(&image_to(account, "+447700900456")).await;
    }
    app.run_jobs_until_idle().await;
    let stats = app
        .get_ok("/api/v1/stats?bucket=day&from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z")
        .await;
    let mut states = std::collections::BTreeMap::<String, u64>::new();
    for row in stats["data"].as_array().unwrap() {
        for (state, number) in row["states"].as_object().unwrap() {
            *states.entry(state.clone()).or_default() += number.as_u64().unwrap();
        }
    }
    assert!(states.len() >= 5, "{stats}");
    for (state, number) in states {
        let list = app.get_ok(&format!("/api/v1/messages?state={state}")).await;
        let listed = list["data"].as_array().unwrap().len();
        assert_eq!(u64::try_from(listed).unwrap(), number, "{state}");
    }
    app.finish().await;
}
