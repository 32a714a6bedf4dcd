//! Why an action on many messages leaves some of them, for its page.

use crate::operating::bulk_actions::BulkResult;
use crate::web::dashboard::number_format::counted;
use crate::web::dashboard::visible_text::visible_line;

/// Reasons of one page.
const REASONS_SHOWN: usize = 8;

/// Each reason once, with the number of its messages among those that the result names.
pub(super) fn group_reasons(result: &BulkResult) -> Vec<String> {
    let mut groups: Vec<(String, u64)> = Vec::new();
    for (_, reason) in &result.listed {
        let reason = visible_line(reason);
        match groups.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, number)) => *number += 1,
            None => groups.push((reason, 1)),
        }
    }
    let named = u64::try_from(result.listed.len()).unwrap_or(u64::MAX);
    let more_reasons = groups.len() > REASONS_SHOWN;
    let shown = groups.into_iter().take(REASONS_SHOWN);
    let mut texts: Vec<String> = shown
        .map(|(reason, number)| format!("{}: {reason}", counted(number, "message", "messages")))
        .collect();
    if more_reasons || result.skipped > named {
        texts.push("others for reasons like these".to_owned());
    }
    texts
}
