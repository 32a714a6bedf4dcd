//! Characters that take no space: text copied from contact lists, chats and documents contains
//! them, and no reader can see them.

/// Whether a character is invisible: direction marks, joiners, zero-width spaces, byte order marks,
/// variation selectors, tags. White space does not count.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

pub fn is_blank(c: char) -> bool {
    // No ASCII character is invisible, and most characters are ASCII.
    c.is_whitespace() || (!c.is_ascii() && is_invisible(c))
}

/// Removes white space and invisible characters from both ends.
pub fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// A character for an error message: visible ones in backticks, others by their code point.
pub fn describe(c: char) -> String {
    let code = format!("U+{:04X}", u32::from(c));
    if c.is_ascii_graphic() || c == ' ' {
        format!("`{c}`")
    } else if is_blank(c) || c.escape_debug().count() > 1 {
        code
    } else {
        format!("`{c}` ({code})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_cannot_be_seen_is_described_by_its_code_point() {
        for (c, description) in [
            ('x', "`x`"),
            ('é', "`é` (U+00E9)"),
            ('\u{200e}', "U+200E"),
            ('\u{202f}', "U+202F"),
            ('\u{7}', "U+0007"),
            ('\u{e000}', "U+E000"),
        ] {
            assert_eq!(describe(c), description);
        }
    }

    #[test]
    fn both_ends_are_trimmed() {
        assert_eq!(trim("\u{feff} \u{202a}a b\u{202c}\u{a0}\n"), "a b");
    }
}
