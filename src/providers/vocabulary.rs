//! Status words and time formats of all providers, as tables. A provider's file has only its
//! exceptions.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::domain::delivery_state::Stage;
use crate::domain::failure::Failure;
use crate::domain::invisible_characters::is_blank;
use crate::domain::phone_text::ascii_digit;
use crate::domain::receipt::ReceiptEvent;
use crate::domain::reported_time::ReportedTime;
use crate::providers::grouped_number::parse_grouped;
use crate::providers::written_time;

/// The meaning of a status word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    Reached(Stage),
    Failed,
    /// Known, but does not change the state.
    NoEffect,
}

/// Status words, normalised: lower case, without `-`, `_`, quotes and spaces. Those of one provider take
/// precedence over [`WORDS`].
pub type StatusWords = &'static [(&'static str, Meaning)];

/// What the words mean at every provider that does not list them itself.
pub const WORDS: StatusWords = &[
    ("accepted", Meaning::Reached(Stage::Submitted)),
    ("submitted", Meaning::Reached(Stage::Submitted)),
    ("queued", Meaning::Reached(Stage::Submitted)),
    ("enqueued", Meaning::Reached(Stage::Submitted)),
    ("pending", Meaning::Reached(Stage::Submitted)),
    ("processing", Meaning::Reached(Stage::Submitted)),
    ("sent", Meaning::Reached(Stage::Sent)),
    ("delivered", Meaning::Reached(Stage::Delivered)),
    ("read", Meaning::Reached(Stage::Read)),
    ("seen", Meaning::Reached(Stage::Read)),
    ("opened", Meaning::Reached(Stage::Read)),
    ("played", Meaning::Reached(Stage::Played)),
    ("failed", Meaning::Failed),
    ("undelivered", Meaning::Failed),
    ("undeliverable", Meaning::Failed),
    ("rejected", Meaning::Failed),
    ("expired", Meaning::Failed),
    ("error", Meaning::Failed),
    ("notsent", Meaning::Failed),
    ("0", Meaning::Failed),
    ("submitfailure", Meaning::Failed),
    ("deliveryfailed", Meaning::Failed),
    ("deleted", Meaning::NoEffect),
    ("warning", Meaning::NoEffect),
];

/// Maximum characters kept of an unknown word; the callback keeps all of it.
const WORD_LIMIT: usize = 100;

/// `None` for an unlisted word.
pub fn meaning(word: &str, status_words: StatusWords) -> Option<Meaning> {
    let normalised = normalise(word);
    status_words
        .iter()
        .chain(WORDS)
        .find(|(known, _)| *known == normalised)
        .map(|(_, meaning)| *meaning)
}

/// The event of a status word. An unlisted word is kept and does not change the state.
pub fn parse_status_word(
    word: &str,
    status_words: StatusWords,
    failure: impl FnOnce() -> Failure,
) -> ReceiptEvent {
    match meaning(word, status_words) {
        Some(Meaning::Reached(stage)) => ReceiptEvent::Stage(stage),
        Some(Meaning::Failed) => ReceiptEvent::Failure(failure()),
        Some(Meaning::NoEffect) | None => {
            ReceiptEvent::Other(word.trim().chars().take(WORD_LIMIT).collect())
        }
    }
}

fn normalise(word: &str) -> String {
    // Signs around it are the remains of a template or of its neighbours.
    let signs = |c: char| ",.;:!?#|/\\<>()[]{}*".contains(c) || is_blank(c);
    word.trim_matches(signs)
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | '"' | '\'') && !is_blank(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Epoch numbers: from this value on, one unit is this many nanoseconds.
const EPOCH_UNITS: &[(i128, i128)] = &[
    (100_000_000_000_000_000, 1), // nanoseconds: Kaleyra's fallback flow as a number
    (100_000_000_000_000, 1_000), // microseconds
    (100_000_000_000, 1_000_000), // milliseconds: Zixflow's inbound webhook
    (0, 1_000_000_000),           // seconds: Meta, Sobot, Kaleyra
];

/// The digits of an epoch number in seconds.
const EPOCH_DIGITS: usize = 10;

/// Parses a time in any known format. Whether it is plausible is decided in `domain::receipt`.
pub fn parse_time(text: &str) -> Option<ReportedTime> {
    let text = text.trim_matches(|c: char| is_blank(c) || matches!(c, '"' | '\''));
    if !text.is_ascii() {
        return parse_ascii_time(&with_ascii_digits(text)?);
    }
    parse_ascii_time(text)
}

/// A time with digits of another script.
#[cold]
fn with_ascii_digits(text: &str) -> Option<String> {
    let in_ascii = |c: char| match ascii_digit(c) {
        Some(digit) => digit,
        None if c.is_whitespace() => ' ',
        None => c,
    };
    (text.len() <= OTHER_SCRIPT_LIMIT).then(|| text.chars().map(in_ascii).collect())
}

/// Maximum bytes of a time with digits of another script.
const OTHER_SCRIPT_LIMIT: usize = 256;

fn parse_ascii_time(text: &str) -> Option<ReportedTime> {
    parse_compact(text)
        .or_else(|| parse_serialized_epoch(text).map(ReportedTime::Instant))
        .or_else(|| parse_written(text))
        .or_else(|| {
            // Form decoding turned the `+` of the offset into a space.
            let (head, offset) = text.rsplit_once(' ')?;
            parse_written(&format!("{head}+{offset}"))
        })
}

/// `20261129143207`. As milliseconds it would be in the year 2612.
fn parse_compact(text: &str) -> Option<ReportedTime> {
    const DIGITS: usize = 14;
    if text.len() != DIGITS || !text.starts_with("20") {
        return None;
    }
    let time = NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M%S").ok()?;
    Some(ReportedTime::Local(time))
}

/// An epoch number as serialisers and formats write it: `/Date(1692947519000)/`, `@1692947519`,
/// `1692947519000L`, `1,692,947,519`.
fn parse_serialized_epoch(text: &str) -> Option<DateTime<Utc>> {
    let date = text
        .trim_matches(['/', '\\'])
        .strip_prefix("Date(")
        .and_then(|date| date.strip_suffix(')'));
    if let Some(date) = date {
        return parse_epoch(date.split(['+', '-']).next()?);
    }
    let number = text.strip_prefix(['+', '@']).unwrap_or(text);
    let number = number.strip_suffix(['L', 'l']).unwrap_or(number);
    // A single comma is a decimal one.
    match parse_grouped(number, 2) {
        Some(digits) => parse_epoch(&digits),
        None => parse_epoch(number),
    }
}

fn parse_epoch(text: &str) -> Option<DateTime<Utc>> {
    if let Some((mantissa, _)) = text.split_once(['e', 'E']) {
        // `1.692947519e9`. A spreadsheet rounds it to `1.69295E+09`, hours off.
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
        if digits < EPOCH_DIGITS {
            return None;
        }
        let number: f64 = text
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())?;
        return parse_epoch(&number.to_string());
    }
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 20 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let value: i128 = whole.parse().ok()?;
    let (_, unit) = EPOCH_UNITS.iter().find(|(from, _)| value >= *from)?;
    let nanos_of_fraction = fraction
        .bytes()
        .take(9)
        .fold((0, *unit), |(sum, place), digit| {
            (sum + i128::from(digit - b'0') * place / 10, place / 10)
        })
        .0;
    let nanos = value * unit + nanos_of_fraction;
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    let rest = u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
    DateTime::from_timestamp(seconds, rest)
}

fn parse_written(text: &str) -> Option<ReportedTime> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(ReportedTime::Instant(time.to_utc()));
    }
    if let Ok(time) = DateTime::parse_from_rfc2822(text) {
        return Some(ReportedTime::Instant(time.to_utc()));
    }
    written_time::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Option<DateTime<Utc>> {
        parse_time(text).map(|time| time.in_zone(chrono_tz::UTC))
    }

    #[test]
    fn words_are_normalised_before_the_lookup() {
        for (word, expected) in [
            ("not sent", Some(Meaning::Failed)),
            ("\u{feff}\"Not sent\"", Some(Meaning::Failed)),
            ("NOT-SENT", Some(Meaning::Failed)),
            ("NotSent", Some(Meaning::Failed)),
            ("Delivery_Failed", Some(Meaning::Failed)),
            ("SEEN", Some(Meaning::Reached(Stage::Read))),
            ("enqueued", Some(Meaning::Reached(Stage::Submitted))),
            ("played", Some(Meaning::Reached(Stage::Played))),
            ("deleted", Some(Meaning::NoEffect)),
            ("clicked", None),
            ("", None),
        ] {
            assert_eq!(meaning(word, &[]), expected, "{word}");
        }
    }

    #[test]
    fn an_unknown_word_is_kept_and_has_no_effect() {
        assert_eq!(
            parse_status_word(" Held_For_Review ", &[], Failure::default),
            ReceiptEvent::Other("Held_For_Review".to_owned())
        );
    }

    #[test]
    fn every_time_format_seen_gives_the_same_instant() {
        let expected = DateTime::from_timestamp(1_769_620_679, 0).unwrap();
        for text in [
            "1769620679",
            "1769620679000",
            "1769620679000000",
            "1769620679000000000",
            "1769620679.000",
            "1769620679,000",
            "1769620679000.0",
            "1.769620679e9",
            "1769620679E0",
            "1,769,620,679",
            "1,769,620,679,000",
            "+1769620679",
            "@1769620679",
            "1769620679000L",
            "1769620679\u{200b}",
            "/Date(1769620679000)/",
            "\\/Date(1769620679000+0530)\\/",
            "2026-01-28T17:17:59Z",
            "2026-01-28T17:17:59.000000Z",
            "2026-01-28T17:17:59.000000000Z",
            "2026-01-28T22:47:59+05:30",
            "2026-01-28T22:47:59 05:30",
            "2026-01-28T17:17:59.000+0000",
            "2026-01-28T17:17:59.000000",
            "2026-01-28 17:17:59",
            "Wed, 28 Jan 2026 17:17:59 GMT",
            "Wednesday, 28-Jan-26 17:17:59 GMT",
            "१७६९६२०६७९",
            "٢٠٢٦-٠١-٢٨ ١٧:١٧:٥٩",
            "２０２６-０１-２８T１７:１７:５９Z",
            "20260128171759",
            "2026-01-28 17:17:59,000 UTC",
            "\"1769620679\"",
        ] {
            assert_eq!(instant(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn fractions_are_kept_and_invalid_times_are_rejected() {
        assert_eq!(
            instant("2026-01-28T17:17:59.254174911Z").map(|time| time.timestamp_subsec_nanos()),
            Some(254_174_911)
        );
        assert_eq!(
            instant("1769620679.25").map(|time| time.timestamp_subsec_millis()),
            Some(250)
        );
        for text in [
            "",
            "soon",
            "-5",
            "17XXXXXX22",
            "1.76962E+09",
            "1.7696E9",
            "99999999999999999999999",
            "2026-13-40",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
