//! The list of callbacks and the page of one callback.

use bluetick::domain::callback_outcome::Outcome;
use bluetick::domain::callback_record::{Authenticity, CallbackRecord, Route};
use bluetick::domain::delivery_state::DeliveryState;
use bluetick::domain::scope::Visibility;
use bluetick::reporting::callback_list::CallbackList;
use bluetick::reporting::callback_views::FoundCallback;
use bluetick::web::dashboard::callback_page::CallbackPage;
use bluetick::web::dashboard::callback_urls::CallbackListUrl;
use bluetick::web::dashboard::callbacks_page::CallbacksPage;
use chrono_tz::Tz;

use super::{account, listed, message, render};

#[test]
fn the_callback_list_shows_outcome_and_messages() {
    let messages = (0..5).map(|n| message(n, DeliveryState::Sent).id).collect();
    let found = CallbackList {
        callbacks: vec![
            listed(Outcome::Receipts, messages),
            listed(Outcome::Quarantined, vec![]),
        ],
        next: Some(9),
        searched: None,
    };
    let shown = |found: &CallbackList, viewer| {
        let url = CallbackListUrl::default();
        CallbacksPage::new(&url, found, &[account("kaleyra-in")], Tz::UTC, viewer)
    };
    let page = render("callbacks", &shown(&found, Visibility::Full));
    let row = page.text("tbody tr");
    for expected in [
        "kaleyra-in",
        "receipts delivered",
        "and 2 more",
        "+919900001234",
    ] {
        assert!(row.contains(expected), "{expected} in {row}");
    }
    assert!(page.links().contains(&"/callbacks?before=9".to_owned()));
    assert_eq!(page.find("main input[name=q]").len(), 1);
    let masked = render("callbacks-masked", &shown(&found, Visibility::Masked));
    let row = masked.text("tbody tr");
    assert!(
        row.contains("9199•••••234") && !row.contains("919900001234"),
        "{row}"
    );
    assert!(masked.find("main input[name=q]").is_empty(), "no bodies");
    let nothing = CallbackList {
        callbacks: Vec::new(),
        next: None,
        searched: None,
    };
    let page = render("callbacks-empty", &shown(&nothing, Visibility::Full));
    assert!(page.main().contains("No callback has arrived yet"));
}

fn callback_page(query: &str, body: &[u8], viewer: Visibility) -> CallbackPage {
    let listed = listed(Outcome::Receipts, vec![message(1, DeliveryState::Read).id]);
    let record = CallbackRecord {
        id: listed.summary.id,
        account: listed.summary.account.clone(),
        route: Route::Callback,
        method: "POST".to_owned(),
        query: query.to_owned(),
        headers: vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("authorization".to_owned(), "…".to_owned()),
        ],
        remote: Some("203.0.113.9".to_owned()),
        received_at: listed.summary.received_at,
        body: body.to_vec(),
        authenticity: Authenticity::Verified,
    };
    CallbackPage::new(&FoundCallback { listed, record }, viewer)
}

#[test]
fn a_raw_json_body_is_indented_and_also_shown_exactly() {
    let body = br#"{"statuses":[{"id":"wamid.X","status":"read","timestamp":"1763647422"}]}"#;
    let page = render(
        "callback",
        &callback_page("a=1&name=%00x", body, Visibility::Full),
    );
    let pieces: Vec<String> = page
        .find("pre.raw")
        .iter()
        .map(|pre| pre.text().collect())
        .collect();
    assert_eq!(pieces[0], "a=1&name=%00x");
    assert!(
        pieces[1].contains("\n      \"status\": \"read\",\n"),
        "{}",
        pieces[1]
    );
    assert_eq!(pieces[2].as_bytes(), body);
    assert!(
        page.main().contains("␀x"),
        "a decoded control character is shown"
    );
    assert!(page.links().iter().any(|link| link.ends_with("/raw")));
    let masked = render(
        "callback-masked",
        &callback_page("to=919900001234", body, Visibility::Masked),
    );
    assert!(masked.find("pre").is_empty());
    assert!(!masked.main().contains("919900001234"));
}

#[test]
fn a_binary_body_is_shown_as_hex() {
    let page = render(
        "callback-bytes",
        &callback_page("", b"\xff\xfestatus\x00=read", Visibility::Full),
    );
    let dump = page.text("pre.hex");
    assert!(dump.contains("ff fe 73 74 61 74 75 73"), "{dump}");
    let page = render(
        "callback-text",
        &callback_page("", b"status=read\r\n\x1b[31m", Visibility::Full),
    );
    assert_eq!(page.text("pre.raw"), "status=read␍ ␛[31m");
    let page = render(
        "callback-get",
        &callback_page("status=read", b"", Visibility::Full),
    );
    assert!(page.main().contains("The body is empty"));
}
