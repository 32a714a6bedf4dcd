//! Numbers, searches, callback URLs and media URLs as people type and paste them.

use actix_web::http::StatusCode;
use bluetick::sending::recipient_number::{self, BadRecipient};
use chrono::TimeDelta;
use phonenumber::metadata::DATABASE;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::app::{
    App, KALEYRA, SOBOT, image_to, message, noon, start_app, start_app_with,
};
use crate::harness::generator::{Generator, cases};

/// The same number, written in many ways.
const NOTATIONS: &[(&str, &[&str])] = &[
    (
        "447700900123",
        &[
            "+44 (0)7700 900123",
            "+44 07700 900123",
            "+44\u{a0}(0)\u{a0}7700\u{2011}900123",
            "0044 7700 900123",
            "tel:+44-7700-900123",
            "\u{ff0b}44 7700 900123",
        ],
    ),
    (
        "4915123456789",
        &["+49 (0)151 23456789", "+49 0151/23456789"],
    ),
    (
        "919971310001",
        &[
            "+91 09971310001",
            "0091 99713 10001",
            "011 91 99713 10001",
            "(+91)99713 10001",
            "+91-(0)-99713-10001",
            "https://wa.me/919971310001",
            "\u{202a}+91 99713 10001\u{202c}",
            "\u{202b}\u{200e}+91\u{202f}99713\u{2060}10001\u{200b}",
            "\u{feff}+91\u{2011}99713\u{2011}10001",
            "+९१ ९९७१३ १०००१",
        ],
    ),
    (
        "971501234567",
        &["+971 (0)50 123 4567", "00971 050 1234567"],
    ),
    (
        "390669812345",
        &[
            "+39 06 698 12345",
            "+39 (0)6 698 12345",
            "0039 06 698 12345",
        ],
    ),
    (
        "2250701020304",
        &["+225 07 01 02 03 04", "+225 (0)7 01 02 03 04"],
    ),
];

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn found_ids(app: &App, query: &str) -> Vec<String> {
    let list = app.get_ok(&format!("/api/v1/messages?{query}")).await;
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn refusal(app: &App, body: &Value) -> (String, String) {
    let (status, reply) = app.post_json("/api/v1/messages", body).await;
    assert_eq!(status, 422, "{body}: {reply}");
    let error = &reply["errors"][0];
    (
        error["field"].as_str().unwrap().to_owned(),
        error["message"].as_str().unwrap().to_owned(),
    )
}

#[actix_web::test]
async fn a_number_goes_to_the_same_recipient_however_it_is_written() {
    let app = start_app().await;
    for (number, notations) in NOTATIONS {
        for written in *notations {
            let id = app.send(&image_to(SOBOT, written)).await;
            app.run_jobs_until_idle().await;
            assert_eq!(app.message(&id).await["to"], *number, "{written}");
            let sent = app.received(SOBOT).pop().unwrap();
            let sent = String::from_utf8_lossy(&sent.body).into_owned();
            assert!(sent.contains(number), "{written}: {sent}");
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_number_is_found_however_it_is_written() {
    let app = start_app().await;
    for (number, notations) in NOTATIONS {
        let id = app.send(&image_to(SOBOT, &format!("+{number}"))).await;
        for written in *notations {
            for parameter in ["q", "to"] {
                let query = format!("{parameter}={}", encoded(written));
                assert_eq!(found_ids(&app, &query).await, [id.as_str()], "{query}");
            }
        }
        // Pasted ids are often surrounded by the same marks.
        let query = format!("q={}", encoded(&format!("\u{202a}{id}\u{202c} ")));
        assert_eq!(found_ids(&app, &query).await, [id.as_str()], "{query}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_number_without_plus_that_two_countries_have_is_refused() {
    let app = start_app_with(|_, accounts| {
        for account in accounts {
            account.default_country = Some("IN".to_owned());
        }
    })
    .await;
    // +91 65912 34567, or +65 9123 4567.
    let (field, message) = refusal(&app, &image_to(SOBOT, "65912 34567")).await;
    assert_eq!(field, "to");
    assert!(message.contains("write +"), "{message}");
    for (written, number) in [
        ("+65 9123 4567", "6591234567"),
        ("0065 9123 4567", "6591234567"),
        ("+91 65912 34567", "916591234567"),
        ("065912 34567", "916591234567"),
        ("099713 10001", "919971310001"),
        ("919971310001", "919971310001"),
    ] {
        let id = app.send(&image_to(SOBOT, written)).await;
        assert_eq!(app.message(&id).await["to"], number, "{written}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_number_that_no_plan_allows_is_refused() {
    let app = start_app().await;
    for written in [
        "+999 123 4567",
        "+91 99713 1000",
        "+91 99713 100012",
        "+44 7700 90012",
        "+1 023 456 7890",
        "00999 1234567",
        "9199713100012",
    ] {
        let (field, message) = refusal(&app, &image_to(SOBOT, written)).await;
        assert_eq!(field, "to", "{written}: {message}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_character_that_cannot_be_seen_is_named_by_its_code() {
    let app = start_app().await;
    for (written, shown) in [
        ("+44 7700\u{7}900123", "U+0007"),
        ("+44 7700\u{e000}900123", "U+E000"),
        ("+44 7700é900123", "`é` (U+00E9)"),
        ("+44 7700x900123", "`x`"),
    ] {
        let (field, message) = refusal(&app, &image_to(SOBOT, written)).await;
        assert_eq!(field, "to");
        assert!(message.contains(shown), "{written:?}: {message}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_user_id_is_refused_as_one() {
    let app = start_app().await;
    for id in [
        "IN.1234567890123",
        "US.13491208655302741918",
        "in.1234567890",
        "US.ENT.11815799212886844830",
        " IN.a1b2c3d4e5 ",
    ] {
        let (field, message) = refusal(&app, &image_to(SOBOT, id)).await;
        assert_eq!(field, "to");
        assert!(
            message.contains("is a WhatsApp user id, not a phone number"),
            "{id}: {message}"
        );
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_pasted_callback_url_works_and_the_account_shows_what_to_correct() {
    for (change, code) in [
        (PastedUrl::Ending("%20"), Some("callback_url_white_space")),
        (
            PastedUrl::Ending("%20%20/"),
            Some("callback_url_white_space"),
        ),
        (PastedUrl::Ending("%09"), Some("callback_url_white_space")),
        (
            PastedUrl::Ending("/%E2%80%8E%0D%0A"),
            Some("callback_url_white_space"),
        ),
        (PastedUrl::Ending("/%20"), Some("callback_url_white_space")),
        (
            PastedUrl::Ending("%0D%0A"),
            Some("callback_url_white_space"),
        ),
        (
            PastedUrl::Ending("%C2%A0"),
            Some("callback_url_white_space"),
        ),
        (
            PastedUrl::Ending("%E2%80%8B"),
            Some("callback_url_white_space"),
        ),
        (PastedUrl::Ending("%22"), Some("callback_url_white_space")),
        (PastedUrl::Ending("%2520"), Some("callback_url_white_space")),
        (
            PastedUrl::Ending("/%2520"),
            Some("callback_url_white_space"),
        ),
        (
            PastedUrl::Ending("%25E2%2580%258B"),
            Some("callback_url_white_space"),
        ),
        (PastedUrl::Ending("%0A"), Some("callback_url_white_space")),
        (PastedUrl::Ending("."), Some("callback_url_white_space")),
        (PastedUrl::Ending(";%3E"), Some("callback_url_white_space")),
        (PastedUrl::Ending("/)."), Some("callback_url_white_space")),
        (
            PastedUrl::Beginning("//callbacks/"),
            Some("callback_url_doubled_slash"),
        ),
        (
            PastedUrl::Beginning("///callbacks//"),
            Some("callback_url_doubled_slash"),
        ),
        (PastedUrl::Ending("/"), None),
        (PastedUrl::Ending("//"), None),
        (PastedUrl::Ending(""), None),
    ] {
        let app = start_app().await;
        let url = change.of(&app);
        let receipt = json!({ "id": "wamid.PASTED", "status": "delivered",
            "timestamp": noon().timestamp().to_string() });
        let reply = app.client.post(&url).json(&receipt).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK.as_u16(), "{url}");
        app.run_jobs_until_idle().await;
        assert_eq!(app.callbacks().await[0]["outcome"], "receipts", "{url}");
        let warnings = warnings(&app).await;
        let codes: Vec<&str> = warnings
            .iter()
            .map(|warning| warning["code"].as_str().unwrap())
            .collect();
        assert_eq!(codes, Vec::from_iter(code), "{url}");
        let page = app.request("GET", "/accounts").send().await.unwrap();
        let page = page.text().await.unwrap();
        for warning in &warnings {
            let message = warning["message"].as_str().unwrap();
            assert!(message.contains("Sobot's console"), "{message}");
            let escaped = message.replace('\'', "&#39;");
            assert!(page.contains(&escaped), "{message}\n{page}");
        }
        app.finish().await;
    }
}

/// What stands around a copied URL. Slashes at its end are no mistake.
fn pasted_around() -> impl Strategy<Value = (String, String)> {
    let ending = prop::sample::select(vec![
        "%20",
        "%09",
        "%0A",
        "%0D%0A",
        "%C2%A0",
        "%E2%80%8B",
        "%E2%80%8E",
        "%EF%BB%BF",
        "%2520",
        "%250D%250A",
        "%A0",
        ";",
        "%22",
        "%3E",
        "%E2%80%9D",
        ".",
        ",",
        ")",
        "/",
    ]);
    ("/{1,3}callbacks/{1,3}", prop::collection::vec(ending, 0..5))
        .prop_map(|(beginning, endings)| (beginning, endings.concat()))
        .prop_filter("clients resolve dot segments themselves", |(_, ending)| {
            let mut segments = ending.split('/').skip(1);
            !segments.any(|segment| matches!(segment, "." | ".."))
        })
}

#[actix_web::test]
async fn a_callback_url_works_whatever_was_pasted_around_it() {
    let app = start_app().await;
    let mut generator = Generator::new();
    while let Some(number) = generator.next_round(60) {
        let (beginning, ending) = generator.value(&pasted_around());
        let url = app.callback_url(SOBOT);
        let url = url.replacen("/callbacks/", &beginning, 1) + &ending;
        let report = json!({ "id": format!("wamid.PASTED{number}"), "status": "delivered" });
        let reply = app.client.post(&url).json(&report).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK.as_u16(), "{url}");
        app.run_jobs_until_idle().await;
        assert_eq!(app.callbacks().await[0]["outcome"], "receipts", "{url}");
        if number == 0 || ending.trim_end_matches('/').is_empty() {
            continue;
        }
        let codes: Vec<Value> = warnings(&app)
            .await
            .iter()
            .map(|it| it["code"].clone())
            .collect();
        assert!(
            codes.contains(&json!("callback_url_white_space")),
            "{url}: {codes:?}"
        );
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_corrected_callback_url_is_no_longer_warned_about() {
    let app = start_app().await;
    let body = json!({ "id": "wamid.PASTED", "status": "delivered" });
    let url = PastedUrl::Ending("%20").of(&app);
    app.client.post(&url).json(&body).send().await.unwrap();
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::hours(1));
    app.deliver_callback(SOBOT, &body).await;
    app.run_jobs_until_idle().await;
    assert_eq!(warnings(&app).await.len(), 1);
    app.advance(TimeDelta::hours(24));
    app.deliver_callback(SOBOT, &body).await;
    app.run_jobs_until_idle().await;
    assert_eq!(warnings(&app).await, Vec::<Value>::new());
    app.finish().await;
}

#[actix_web::test]
async fn a_token_with_other_characters_is_refused() {
    let app = start_app().await;
    for ending in [
        "x",
        "%20x",
        "x%20",
        "%00x",
        "/x",
        "%2Fx",
        "%00",
        "%C3%A9",
        "/%C3%A9",
        "%D0%AF",
        "=",
        "%3D",
        "~",
        "$",
        "@",
        "/@",
        "%",
        "%2541",
        "/%2541",
        "%2520x",
        "%2500",
        "%252525252520",
    ] {
        let url = PastedUrl::Ending(ending).of(&app);
        let reply = app.client.post(&url).body("{}").send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::NOT_FOUND.as_u16(), "{url}");
    }
    assert_eq!(app.callbacks().await, Vec::<Value>::new());
    app.finish().await;
}

/// A change of a callback URL.
enum PastedUrl {
    Beginning(&'static str),
    Ending(&'static str),
}

impl PastedUrl {
    fn of(&self, app: &App) -> String {
        let url = app.callback_url(SOBOT);
        match self {
            Self::Beginning(beginning) => url.replacen("/callbacks/", beginning, 1),
            Self::Ending(ending) => url + ending,
        }
    }
}

async fn warnings(app: &App) -> Vec<Value> {
    let accounts = app.get_ok("/api/v1/accounts").await;
    let mut accounts = accounts["data"].as_array().unwrap().iter();
    let account = accounts.find(|account| account["id"] == SOBOT).unwrap();
    account["warnings"].as_array().cloned().unwrap_or_default()
}

#[actix_web::test]
async fn a_media_url_is_sent_as_the_provider_can_fetch_it() {
    let app = start_app().await;
    for (written, sent) in [
        (
            "https://media.example.com/café.jpg",
            "https://media.example.com/caf%C3%A9.jpg",
        ),
        (
            "https://media.example.com/नमस्ते.jpg",
            "https://media.example.com/%E0%A4%A8%E0%A4%AE%E0%A4%B8%E0%A5%8D%E0%A4%A4%E0%A5%87.jpg",
        ),
        (
            "https://bücher.example/a.jpg",
            "https://xn--bcher-kva.example/a.jpg",
        ),
        (
            "https://media.example.com/caf%c3%a9%20(1).jpg?X-Sig=a%2Fb+c==&n='x'",
            "https://media.example.com/caf%c3%a9%20(1).jpg?X-Sig=a%2Fb+c==&n='x'",
        ),
        (
            "HTTPS://Media.Example.com:443/a/../b.jpg",
            "HTTPS://Media.Example.com:443/a/../b.jpg",
        ),
        (
            " https://media.example.com/a.jpg\u{200b}\n",
            "https://media.example.com/a.jpg",
        ),
    ] {
        for account in [SOBOT, KALEYRA] {
            let mut body = message(account, "image");
            body["media"] = json!({ "url": written });
            let id = app.send(&body).await;
            app.run_jobs_until_idle().await;
            assert_eq!(app.message(&id).await["media"]["url"], sent, "{written}");
        }
        let request = app.received(SOBOT).pop().unwrap();
        let request = String::from_utf8_lossy(&request.body).into_owned();
        assert!(request.contains(sent), "{written}: {request}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_media_url_whose_meaning_is_not_certain_is_refused_with_what_to_write() {
    let app = start_app().await;
    for (written, advice) in [
        ("https:/media.example.com/a.jpg", "write `https://`"),
        ("https:///a.jpg", "write `https://`"),
        ("https://media.example.com/{{id}}.jpg", "`{{id}}`"),
        ("https://media.example.com/${id}.jpg", "`${id}`"),
        (
            "https://media.example.com/%7B%7Bid%7D%7D.jpg",
            "write its value",
        ),
        ("https://media.example.com/a b.jpg", "write `%20`"),
        ("https://media.example.com/a\nb.jpg", "in one line"),
        ("https://media.example.com/a%2520b.jpg", "write `%20`"),
        ("media.example.com/a.jpg", "begin with `https://`"),
    ] {
        for account in [SOBOT, KALEYRA] {
            let mut body = message(account, "image");
            body["media"] = json!({ "url": written });
            let (field, message) = refusal(&app, &body).await;
            assert_eq!(field, "media.url", "{written}");
            assert!(message.contains(advice), "{written}: {message}");
        }
    }
    app.finish().await;
}

/// The example of a mobile number that each country's plan has.
fn numbers() -> Vec<WrittenNumber> {
    let mut plans: Vec<_> = DATABASE.iter().collect();
    plans.sort_by_key(|plan| plan.id().to_owned());
    plans
        .into_iter()
        .filter_map(|plan| {
            let national = plan.descriptors().mobile()?.example()?;
            Some(WrittenNumber {
                country: plan.id().to_owned(),
                code: plan.country_code().to_string(),
                national: national.to_owned(),
                trunk: plan.national_prefix().map(str::to_owned),
            })
        })
        .collect()
}

#[derive(Clone, Debug)]
struct WrittenNumber {
    country: String,
    code: String,
    national: String,
    trunk: Option<String>,
}

/// A number and one way to write it.
fn notation() -> impl Strategy<Value = (WrittenNumber, String)> {
    let number = proptest::sample::select(numbers());
    let beginning = proptest::sample::select(vec![
        "+",
        "+ ",
        "00",
        "00 ",
        "011 ",
        "(+",
        "tel:+",
        "\u{ff0b}",
        "wa.me/",
        "https://wa.me/",
        "whatsapp:+",
        "\u{202a}+",
        "\u{feff}+",
        "'+",
    ]);
    let trunk = proptest::sample::select(vec!["", "", "plain", "(0)"]);
    let mark = proptest::sample::select(vec![
        " ", "-", ".", "/", "\u{a0}", "\u{202f}", "\u{2011}", "\u{2060}", "\u{200b}", "\u{200e}",
        "\u{202c}", "\u{feff}", "\u{3000}", "\u{2212}", " - ", "\t",
    ]);
    let marks = proptest::collection::vec((mark, any::<proptest::sample::Index>()), 0..6);
    (number, beginning, trunk, marks).prop_map(|(number, beginning, trunk, marks)| {
        let is_link = beginning.contains("wa.me");
        let trunk = match (trunk, &number.trunk) {
            _ if is_link => String::new(),
            ("plain", Some(trunk)) => format!(" {trunk}"),
            ("(0)", Some(zero)) if zero == "0" => " (0)".to_owned(),
            _ => String::new(),
        };
        let mut national: Vec<char> = number.national.chars().collect();
        if !is_link {
            for (mark, place) in marks {
                // A dot before the last zeros would make them the decimals of a spreadsheet.
                let is_decimal_point = mark == "." && number.national.ends_with('0');
                let mark = if is_decimal_point { " " } else { mark };
                let place = place.index(national.len() + 1);
                national.splice(place..place, mark.chars());
            }
        }
        let national: String = national.into_iter().collect();
        let close = if beginning == "(+" { ") " } else { "" };
        let written = format!("{beginning}{}{close}{trunk}{national}", number.code);
        (number, written)
    })
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn every_notation_of_a_number_is_the_same_number((number, written) in notation()) {
        let expected = format!("{}{}", number.code, number.national);
        let parsed = recipient_number::parse(&written, None);
        prop_assert_eq!(parsed.map(|number| number.digits().to_owned()), Ok(expected), "{:?}", written);
    }

    #[test]
    fn a_national_number_is_that_of_its_country_or_needs_a_plus(
        number in proptest::sample::select(numbers()),
        with_trunk: bool,
    ) {
        let trunk = number.trunk.clone().filter(|_| with_trunk).unwrap_or_default();
        let written = format!("{trunk}{}", number.national);
        match recipient_number::parse(&written, Some(&number.country)) {
            Ok(parsed) => prop_assert_eq!(
                parsed.digits(),
                format!("{}{}", number.code, number.national)
            ),
            Err(error) => prop_assert_eq!(error, recipient_number::BadRecipient::Ambiguous),
        }
    }

    #[test]
    fn any_text_is_a_number_or_refused(text in any::<String>(), country in "[A-Z]{2}") {
        for country in [None, Some(country.as_str())] {
            if let Ok(number) = recipient_number::parse(&text, country) {
                prop_assert!((7..=15).contains(&number.digits().len()));
            }
        }
    }
}

#[actix_web::test]
async fn every_notation_finds_its_number() {
    let app = start_app().await;
    let mut generator = Generator::new();
    while generator.next_round(60).is_some() {
        let (number, written) = generator.value(&notation());
        let whole = format!("+{}{}", number.code, number.national);
        // The newest comes first, and a page may not have room for all to one number.
        app.advance(TimeDelta::seconds(1));
        let id = app.send(&image_to(SOBOT, &whole)).await;
        let found = found_ids(&app, &format!("q={}", encoded(&written))).await;
        assert!(found.contains(&id), "{whole}: {written:?}");
    }
    app.finish().await;
}

proptest! {
    #![proptest_config(cases(2000))]

    /// Whatever country the account has: a number with its country code goes to that number, or the
    /// caller is asked for `+`.
    #[test]
    fn an_international_number_without_plus_never_goes_to_another(
        number in proptest::sample::select(numbers()),
        home in proptest::sample::select(numbers()),
    ) {
        let digits = format!("{}{}", number.code, number.national);
        prop_assume!(digits.len() >= 11);
        match recipient_number::parse(&digits, Some(&home.country)) {
            Ok(read) => prop_assert_eq!(read.digits(), &digits, "at home in {}", home.country),
            Err(error) => prop_assert_eq!(error, BadRecipient::Ambiguous, "{}", digits),
        }
    }
}

#[actix_web::test]
async fn a_number_of_another_country_is_not_taken_for_a_landline_of_the_accounts() {
    let app = start_app_with(|_, accounts| {
        for account in accounts {
            account.default_country = Some("DE".to_owned());
        }
    })
    .await;
    for written in ["919970123456", "447700900123", "91 99701-23456"] {
        let (field, message) = refusal(&app, &image_to(SOBOT, written)).await;
        assert_eq!(field, "to", "{written}");
        assert!(message.contains("write +"), "{message}");
    }
    for (written, number) in [
        ("+919970123456", "919970123456"),
        ("00919970123456", "919970123456"),
        ("0151 23456789", "4915123456789"),
        ("tel:0151-23456789", "4915123456789"),
        ("（０１５１）２３４５６７８９", "4915123456789"),
    ] {
        let id = app.send(&image_to(SOBOT, written)).await;
        assert_eq!(app.message(&id).await["to"], number, "{written}");
    }
    app.finish().await;
}
