//! Finds what is between the name and the value of a member: a colon, or what other languages write
//! instead.

/// The length of `:`, `::`, `=`, `:=` or `=>` with the white space around; `None` without a mark.
pub(super) fn assignment_length(rest: &str) -> Option<usize> {
    let is_mark = |c: char| matches!(c, ':' | '=');
    let value = rest.trim_start_matches(|c: char| is_mark(c) || c.is_ascii_whitespace());
    let marks = &rest[..rest.len() - value.len()];
    if !marks.contains(is_mark) {
        return None;
    }
    let arrow = usize::from(marks.ends_with('=') && value.starts_with('>'));
    Some(marks.len() + arrow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_required() {
        for (rest, length) in [
            (":1", Some(1)),
            (" : : \"x\"", Some(5)),
            ("=>1", Some(2)),
            (" = 1", Some(3)),
            (":>", Some(1)),
            (" \"x\"", None),
            ("", None),
        ] {
            assert_eq!(assignment_length(rest), length, "{rest}");
        }
    }
}
