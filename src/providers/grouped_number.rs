//! Numbers whose digits are grouped, such as `1,769,620,679`.

/// The digits of a number with at least this many commas, each before a group of three digits.
pub(super) fn parse_grouped(text: &str, min_commas: usize) -> Option<String> {
    let mut groups = text.split(',');
    let is_group = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next()?;
    let is_grouped = (1..=3).contains(&first.len())
        && is_group(first)
        && text.matches(',').count() >= min_commas.max(1)
        && groups.all(|group| group.len() == 3 && is_group(group));
    is_grouped.then(|| text.replace(',', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_after_the_first_has_three_digits() {
        assert_eq!(parse_grouped("131,026", 1).as_deref(), Some("131026"));
        assert_eq!(parse_grouped("1,769,620", 2).as_deref(), Some("1769620"));
        for text in ["", "131026", "1,2", "1234,567", ",123", "1,234,5", "1,23a"] {
            assert_eq!(parse_grouped(text, 1), None, "{text}");
        }
        // It may be a decimal comma.
        assert_eq!(parse_grouped("176,000", 2), None);
    }
}
