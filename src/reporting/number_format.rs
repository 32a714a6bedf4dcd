//! Formats counts, shares, sizes and durations for display.

use chrono::TimeDelta;

/// `1234567` as `1,234,567`.
pub fn format_count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The share in tenths of a percent, rounded, but not up to 100 %, which means all.
pub fn permille(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    let (part, whole) = (u128::from(part), u128::from(whole));
    let rounded = (part * 1000 + whole / 2) / whole;
    let permille = if part < whole {
        rounded.min(999)
    } else {
        rounded
    };
    u64::try_from(permille).unwrap_or(u64::MAX)
}

/// `87.5 %`; `–` if the whole is 0.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    match permille(part, whole) {
        0 if part > 0 => "< 0.1 %".to_owned(),
        share if share % 10 == 0 => format!("{} %", share / 10),
        share => format!("{}.{} %", share / 10, share % 10),
    }
}

/// `812 B`, `1.4 KiB`, `3.0 MiB`.
pub fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    let in_units = |unit: u64, name: &str| {
        let tenths = bytes * 10 / unit;
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..MIB => in_units(KIB, "KiB"),
        _ => in_units(MIB, "MiB"),
    }
}

/// A duration in the largest unit that fits: `340 ms`, `2.1 s`, `4 min`, `3 h`, `2 days`.
pub fn span(delta: TimeDelta) -> String {
    let millis = delta.num_milliseconds();
    let sign = if millis < 0 { "−" } else { "" };
    let millis = millis.unsigned_abs();
    let text = match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..10_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        10_000..60_000 => format!("{} s", millis / 1_000),
        60_000..3_600_000 => format!("{} min", millis / 60_000),
        3_600_000..172_800_000 => format!("{} h", millis / 3_600_000),
        _ => format!("{} days", millis / 86_400_000),
    };
    format!("{sign}{text}")
}

/// How long ago, rounded so that it stays correct for a moment.
pub fn ago(delta: TimeDelta) -> String {
    if delta < TimeDelta::seconds(1) {
        "just now".to_owned()
    } else if delta < TimeDelta::minutes(1) {
        format!("{} s ago", delta.num_seconds())
    } else {
        format!("{} ago", span(delta))
    }
}

/// `1 message`, `2 messages`.
pub fn counted(number: u64, singular: &str, plural: &str) -> String {
    let noun = if number == 1 { singular } else { plural };
    format!("{} {noun}", format_count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_three() {
        assert_eq!(format_count(7), "7");
        assert_eq!(format_count(1_000), "1,000");
        assert_eq!(format_count(1_234_567), "1,234,567");
    }

    #[test]
    fn only_all_is_a_hundred_percent_and_only_none_is_zero() {
        assert_eq!(percent(9_999, 10_000), "99.9 %");
        assert_eq!(percent(147, 257), "57.2 %");
        assert_eq!(percent(4, 55), "7.3 %");
        assert_eq!(percent(1, 100_000), "< 0.1 %");
        assert_eq!(percent(0, 5), "0 %");
        assert_eq!(percent(5, 5), "100 %");
        assert_eq!(percent(0, 0), "–");
    }

    #[test]
    fn sizes_and_spans_take_the_largest_fitting_unit() {
        assert_eq!(size(812), "812 B");
        assert_eq!(size(1_500), "1.4 KiB");
        assert_eq!(size(3 * 1024 * 1024), "3.0 MiB");
        assert_eq!(span(TimeDelta::milliseconds(340)), "340 ms");
        assert_eq!(span(TimeDelta::milliseconds(2_140)), "2.1 s");
        assert_eq!(span(TimeDelta::milliseconds(-90_000)), "−1 min");
        assert_eq!(ago(TimeDelta::seconds(42)), "42 s ago");
        assert_eq!(ago(TimeDelta::milliseconds(-3)), "just now");
    }
}
