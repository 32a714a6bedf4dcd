//! Provider times: a parsed time survives formatting and parsing.
#![no_main]

use bluetick_fuzz::providers::vocabulary::{meaning, parse_time};
use chrono::{Datelike, SecondsFormat};

libfuzzer_sys::fuzz_target!(|input: &str| {
    let _ = meaning(input, &[]);
    let instant = |text: &str| parse_time(text).map(|time| time.in_zone(chrono_tz::UTC));
    let Some(time) = instant(input) else {
        return;
    };
    // RFC 3339 has four digits for the year.
    if (0..=9999).contains(&time.year()) {
        let written = time.to_rfc3339_opts(SecondsFormat::Nanos, true);
        assert_eq!(instant(&written), Some(time), "{written}");
    }
});
