//! Finds what senders put between two objects or lists instead of a comma or a line break.

/// Maximum bytes of a separator, such as `</p><br/>`.
const SEPARATOR_LIMIT: usize = 16;

/// The length of what is between the end of an object or list and the beginning of the next one;
/// `None` if it is no separator. The name of a member is none, and neither is the beginning of a
/// text after a comma.
pub(super) fn separator_length(rest: &str) -> Option<usize> {
    let start = &rest[..rest.floor_char_boundary(SEPARATOR_LIMIT + 1)];
    let length = start.find(['{', '['])?;
    let separator = &start[..length];
    let begins_text = separator.contains(',') && separator.contains(['"', '\'']);
    (!begins_text && !separator.contains([':', '}', ']'])).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_is_short_and_no_part_of_a_member() {
        for separator in ["", " , ", ";", " - ", "\\n", "<br>", "\u{a0}", "\"", ",,"] {
            let rest = format!("{separator}{{\"id\":1}}");
            assert_eq!(separator_length(&rest), Some(separator.len()), "{rest}");
        }
        for rest in [
            "",
            ";",
            ",\"a\":{}",
            ",\"[x]\"",
            "]},{}",
            ", and much more text {}",
        ] {
            assert_eq!(separator_length(rest), None, "{rest}");
        }
    }
}
