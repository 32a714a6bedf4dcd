//! Explanations: a new user understands from the text why a message has its state, and what to do.

mod cases;

use bluetick::domain::provider::ProviderId;
use bluetick::domain::scope::Visibility;
use scraper::{Html, Selector};

use crate::harness::golden::Goldens;
use cases::{ExplainCase, cases};

/// Texts that must never be shown without `operate`.
const PERSONAL: [&str; 4] = ["919970123456", "99701 23456", "Asha Rao", "HBgMOTE5OTcw"];

#[test]
fn every_case_has_its_approved_text() {
    let mut goldens = Goldens::of("explain");
    for (name, mut case) in cases() {
        goldens.check(name, &case.explain(Visibility::Full).text());
    }
    goldens.finish();
}

/// The text inside the first match, as a browser shows it.
fn shown(page: &Html, selector: &str) -> String {
    let found = page.select(&Selector::parse(selector).unwrap()).next();
    let text: String = found
        .map(|found| found.text().collect())
        .unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn all_shown(page: &Html, selector: &str) -> Vec<String> {
    let text = |found: scraper::ElementRef<'_>| found.text().collect::<String>();
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).map(text).collect()
}

/// Pages show protocol words in a monospaced font, plain text between back-quotes.
fn unmarked(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.replace('`', "")).collect()
}

#[test]
fn the_message_page_has_the_same_text_in_every_case() {
    for (name, mut case) in cases() {
        let explanation = case.explain(Visibility::Full);
        let page = Html::parse_document(&case.page(name, &explanation));
        let section = "section[aria-labelledby=why]";
        assert_eq!(shown(&page, ".lead"), explanation.summary, "{name}");
        assert_eq!(
            unmarked(&all_shown(&page, ".because li")),
            unmarked(&explanation.because),
            "{name}"
        );
        assert_eq!(
            unmarked(&all_shown(&page, ".advice li")),
            unmarked(&explanation.what_next),
            "{name}"
        );
        let why = shown(&page, section);
        for words in explanation.failure.iter().flat_map(|failure| {
            [
                failure.code_and_words(),
                failure.meaning.to_owned(),
                failure.action.clone(),
                failure.class.to_string(),
            ]
        }) {
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(why.contains(&words), "{name}: {words} in {why}");
        }
        let linked = all_shown(&page, &format!("{section} a[href^='/messages/']"));
        for other in &explanation.related {
            assert!(linked.contains(&other.to_string()), "{name}: {linked:?}");
        }
    }
}

#[test]
fn without_operate_no_number_name_or_complete_wamid_is_shown() {
    let mut hidden = 0;
    for (name, mut case) in cases() {
        let full = case.explain(Visibility::Full).text();
        let masked = case.explain(Visibility::Masked).text();
        for text in PERSONAL {
            assert!(!masked.contains(text), "{name} shows {text}:\n{masked}");
        }
        hidden += usize::from(full != masked);
    }
    assert!(hidden >= 5, "only {hidden} cases had anything to hide");
}

#[test]
fn every_explanation_has_reasons_and_every_failure_an_action() {
    for (name, mut case) in cases() {
        let explanation = case.explain(Visibility::Full);
        assert!(!explanation.because.is_empty(), "{name}");
        for sentence in std::iter::once(&explanation.summary)
            .chain(&explanation.because)
            .chain(&explanation.what_next)
        {
            let first = sentence.chars().next().unwrap();
            assert!(
                sentence.ends_with('.') && !first.is_lowercase(),
                "{name}: {sentence}"
            );
        }
        if name.starts_with("failed") {
            assert!(explanation.failure.is_some(), "{name}");
            assert!(!explanation.what_next.is_empty(), "{name}");
        }
    }
}

fn timeline_of(name: &str) -> String {
    let (_, mut case) = cases().into_iter().find(|(of, _)| *of == name).unwrap();
    let explanation = case.explain(Visibility::Full);
    let page = case.page(name, &explanation);
    shown(&Html::parse_document(&page), ".timeline")
}

#[test]
fn an_expiry_is_shown_as_our_decision_and_not_as_a_report() {
    let timeline = timeline_of("expired");
    assert!(
        timeline.contains("Expired in the queue, never submitted"),
        "{timeline}"
    );
    for wrong in ["operator", "provider's clock", "Reported"] {
        assert!(!timeline.contains(wrong), "{wrong}: {timeline}");
    }
}

#[test]
fn only_reported_times_are_shown_as_the_providers() {
    let timeline = timeline_of("submitted");
    assert!(timeline.contains("Reply: submitted"), "{timeline}");
    assert!(!timeline.contains("provider's clock"), "{timeline}");
    let early = timeline_of("inconsistent_times");
    assert!(
        early.contains("before we accepted the message: inconsistent with our clock"),
        "{early}"
    );
}

#[test]
fn the_page_shows_matches_by_recipient_operator_marks_and_messages_sent_elsewhere() {
    let page = |name: &str| {
        let (_, mut case) = cases().into_iter().find(|(of, _)| *of == name).unwrap();
        let explanation = case.explain(Visibility::Full);
        Html::parse_document(&case.page(name, &explanation))
    };
    let matched = page("played_and_matched_by_recipient");
    assert_eq!(shown(&matched, ".heading .tag"), "matched by recipient");
    assert!(shown(&matched, ".timeline").contains("Reports matched by recipient"));
    let marked = page("failed_marked_by_an_operator");
    let title = shown(&marked, "h1");
    assert!(title.starts_with("Failed"), "{title}");
    let elsewhere = page("observed");
    assert!(!shown(&elsewhere, ".stepper").contains("Queued"));
    let early = page("inconsistent_times");
    assert!(shown(&early, ".stepper").contains("inconsistent with our clock"));
}

#[test]
fn no_action_asks_to_resend_a_delivered_message() {
    let mut met = 0;
    for (name, mut case) in cases() {
        let explanation = case.explain(Visibility::Full);
        if case.message.conflict {
            met += 1;
            let action = explanation.failure.unwrap().action;
            assert_eq!(action, "Nothing needs to be sent again.", "{name}");
        }
    }
    assert!(met >= 3);
}

#[test]
fn control_characters_of_a_provider_do_not_break_lines() {
    let mut case = ExplainCase::accepted(ProviderId::Sobot);
    case.failed(Some("1\n2"), "a\r\nb", "c\u{7}", 5);
    let explanation = case.explain(Visibility::Full);
    let words = explanation.failure.unwrap();
    assert_eq!(
        (words.code.as_deref(), words.words.as_str()),
        (Some("1 2"), "a  b: c ")
    );
    assert!(explanation.because.iter().all(|line| !line.contains('\n')));
}
