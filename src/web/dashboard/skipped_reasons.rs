//! Why an action on many messages leaves some of them unchanged, as text for its page.

use crate::domain::ids::MessageId;
use crate::operating::bulk_actions::{BulkResult, Obstacle};
use crate::reporting::number_format::counted;
use crate::web::dashboard::resend_outcome::href_by_ids;
use crate::web::dashboard::visible_text::visible_line;

/// Reasons on one page.
const REASONS_SHOWN: usize = 8;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SkippedReason {
    pub(super) text: String,
    /// Text and URL.
    pub(super) link: Option<(&'static str, String)>,
}

impl SkippedReason {
    pub(super) fn new(text: String) -> Self {
        Self { text, link: None }
    }
}

/// Messages that stay unchanged for the same reason.
struct Group {
    reason: String,
    number: u64,
    resent_as: Vec<MessageId>,
}

/// Each reason once, with the number of its messages among those that the result names.
pub(super) fn group_reasons(result: &BulkResult) -> Vec<SkippedReason> {
    let mut groups: Vec<Group> = Vec::new();
    for (_, obstacle) in &result.listed {
        let reason = common_reason(obstacle);
        let place = groups.iter().position(|group| group.reason == reason);
        let place = place.unwrap_or_else(|| {
            groups.push(Group {
                reason,
                number: 0,
                resent_as: Vec::new(),
            });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(place) {
            group.number += 1;
            if let Obstacle::AlreadyResent(new) = obstacle {
                group.resent_as.push(*new);
            }
        }
    }
    let named = u64::try_from(result.listed.len()).unwrap_or(u64::MAX);
    let more_reasons = groups.len() > REASONS_SHOWN;
    let shown = groups.into_iter().take(REASONS_SHOWN);
    let mut texts: Vec<SkippedReason> = shown.map(|group| describe(&group)).collect();
    if more_reasons || result.skipped > named {
        let text = "others, for similar reasons";
        texts.push(SkippedReason::new(text.to_owned()));
    }
    texts
}

/// The reason without what differs between messages, so that equal reasons can be grouped.
fn common_reason(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::AlreadyResent(_) => "already resent".to_owned(),
        Obstacle::ClosedWindow(_) => {
            "the 24-hour window is closed; only an approved template can reach the recipient now"
                .to_owned()
        }
        Obstacle::Media(_) | Obstacle::Other(_) => visible_line(&obstacle.to_string()),
    }
}

fn describe(group: &Group) -> SkippedReason {
    let messages = counted(group.number, "message", "messages");
    SkippedReason {
        text: format!("{messages}: {}", group.reason),
        link: href_by_ids(&group.resent_as).map(|href| ("show the new messages", href)),
    }
}
