//! A sentence that contains times. The API and the command line show them in UTC, as the text has them; a
//! page shows them in its own zone.

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::{DateTime, NaiveDateTime, Utc};

use crate::web::dashboard::time_element::TimeElement;

/// How `domain::explanation` writes a time, without the zone.
const FORMAT: &str = "%Y-%m-%d %H:%M:%S";
const LENGTH: usize = "2026-11-20 12:00:00".len();
const ZONE: &str = " UTC";

#[derive(Template, Clone, PartialEq, Eq, Debug)]
#[template(path = "timed_text.html")]
pub(super) struct TimedText {
    parts: Vec<TextPart>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum TextPart {
    Text(String),
    Time(TimeElement),
}

impl HtmlSafe for TimedText {}

impl TimedText {
    /// For a text with times in [`FORMAT`] and UTC.
    pub(super) fn from_utc(text: &str) -> Self {
        Self {
            parts: split_times(text),
        }
    }

    /// For a text with times in RFC 3339.
    pub(super) fn from_rfc3339(text: &str) -> Self {
        let words = text.split(' ').map(|word| {
            let core = word.trim_end_matches([';', ',', '.', ')']);
            match DateTime::parse_from_rfc3339(core) {
                Ok(at) => word.replace(core, &format!("{}{ZONE}", at.to_utc().format(FORMAT))),
                Err(_) => word.to_owned(),
            }
        });
        Self::from_utc(&words.collect::<Vec<_>>().join(" "))
    }
}

/// Separates the times in UTC from the text around them.
pub(super) fn split_times(text: &str) -> Vec<TextPart> {
    let (mut parts, mut rest) = (Vec::new(), 0);
    let named = text.match_indices(ZONE).filter_map(|(end, _)| {
        let start = end.checked_sub(LENGTH)?;
        Some((start, end, parse(text.get(start..end)?)?))
    });
    for (start, end, at) in named {
        if let Some(before) = text.get(rest..start).filter(|before| !before.is_empty()) {
            parts.push(TextPart::Text(before.to_owned()));
        }
        parts.push(TextPart::Time(TimeElement::new(at)));
        rest = end + ZONE.len();
    }
    if rest < text.len() {
        parts.push(TextPart::Text(text[rest..].to_owned()));
    }
    parts
}

fn parse(text: &str) -> Option<DateTime<Utc>> {
    let at = NaiveDateTime::parse_from_str(text, FORMAT).ok()?;
    Some(at.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_separated_from_the_text_around_them() {
        let text = |text: &str| TextPart::Text(text.to_owned());
        let time = |at: &str| TextPart::Time(TimeElement::new(at.parse().unwrap()));
        assert_eq!(
            split_times("Since 2026-11-20 12:00:00 UTC: é 2026-11-21 00:30:00 UTC"),
            [
                text("Since "),
                time("2026-11-20T12:00:00Z"),
                text(": é "),
                time("2026-11-21T00:30:00Z"),
            ]
        );
        for plain in [
            "",
            "at 12:00 UTC",
            "ééééééééééééééééééé UTC",
            "2026-13-20 12:00:00 UTC.",
        ] {
            let parts = split_times(plain);
            assert!(!parts.iter().any(|part| matches!(part, TextPart::Time(_))));
            let joined: Vec<&str> = parts
                .iter()
                .map(|part| match part {
                    TextPart::Text(text) => text.as_str(),
                    TextPart::Time(_) => "",
                })
                .collect();
            assert_eq!(joined.concat(), plain);
        }
    }
}
