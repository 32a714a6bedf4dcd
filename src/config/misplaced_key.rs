//! Finds where a key belongs that is in the wrong table. In TOML a key belongs to the last table
//! header above it, so a header that is missing or still a comment moves all keys below it.

use crate::config::reference::KEYS;

/// Where the key belongs, as the end of a sentence. `path` is the table that it is in, without
/// indexes: empty, `backup` or `accounts[]`. Only places are found that a missing or an additional
/// header explains: from the top level or a single table to any table, and from any table to the top
/// level.
pub(super) fn find_place(path: &str, name: &str) -> Option<String> {
    let is_array = path.ends_with("[]");
    KEYS.iter().find_map(|key| match key.name.split_once('.') {
        None if !path.is_empty() && key.name == name => {
            Some("above the first line in brackets".to_owned())
        }
        Some((table, last)) if last == name && table != path && !is_array => {
            Some(format!("under {}", header(table)))
        }
        _ => None,
    })
}

/// The line that begins the table: `[backup]`, `[[accounts]]`.
fn header(table: &str) -> String {
    match table.strip_suffix("[]") {
        Some(name) => format!("[[{name}]]"),
        None => format!("[{table}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_below_a_missing_or_an_additional_header_has_a_place() {
        for (path, name, expected) in [
            ("", "directory", Some("under [backup]")),
            ("", "sid", Some("under [[accounts]]")),
            ("retention", "provider", Some("under [[accounts]]")),
            ("backup", "messages", Some("under [retention]")),
            (
                "accounts[]",
                "public_url",
                Some("above the first line in brackets"),
            ),
            // The name of a key of another list is no hint.
            ("accounts[]", "account", None),
            ("", "nothing", None),
            ("accounts[].callback_fields", "ref3", None),
        ] {
            assert_eq!(find_place(path, name).as_deref(), expected, "{path} {name}");
        }
    }
}
