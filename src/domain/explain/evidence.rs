//! What the reports say, stage by stage, and which rule of the fold made one state of them.

use std::collections::BTreeSet;

use crate::domain::delivery::{
    DeliveryState, Fact, Failed, QueueWord, Reached, Receipt, SourceKind, Stage,
};
use crate::domain::dictionary;
use crate::domain::explain::{Story, at, counted, times};

/// One sentence for each stage that counts as reached.
pub(super) fn stages(story: &Story<'_>) -> Vec<String> {
    Stage::ALL
        .into_iter()
        .filter(|stage| *stage != Stage::Queued)
        .filter_map(|stage| Some((stage, story.delivery.stage(stage)?)))
        .map(|(stage, reached)| sentence(story, stage, reached))
        .collect()
}

fn sentence(story: &Story<'_>, stage: Stage, reached: Reached) -> String {
    let word = stage.as_str();
    if reached.implied {
        let above = Stage::ALL
            .into_iter()
            .filter(|above| *above > stage)
            .find(|above| story.delivery.stage(*above).is_some_and(|r| !r.implied));
        let above = above.map_or("a later stage", Stage::as_str);
        return format!("`{word}` was never reported; `{above}` implies it.");
    }
    let says = |receipt: &&Receipt| receipt.fact == Fact::Stage(stage);
    let by_reply = story
        .receipts
        .iter()
        .filter(says)
        .all(|receipt| receipt.source_kind == SourceKind::Attempt);
    if by_reply {
        return format!(
            "`{word}`: {}'s answer accepted it at {}{}.",
            story.provider(),
            at(reached.at),
            times(reached.count)
        );
    }
    let when = if reached.inferred {
        format!(
            "; no believable time was given, so {} is when we heard",
            at(reached.at)
        )
    } else {
        format!(" at {}", at(reached.at))
    };
    format!(
        "{} reported `{word}`{}{when}.",
        story.provider(),
        times(reached.count)
    )
}

/// What was reported as failed, by whom, and why this one of several is shown.
pub(super) fn failures(story: &Story<'_>) -> Vec<String> {
    let Some(failed) = &story.delivery.failure else {
        return Vec::new();
    };
    let told: Vec<&Receipt> = story
        .receipts
        .iter()
        .filter(|receipt| matches!(receipt.fact, Fact::Failure(_)))
        .collect();
    let shown = told.iter().find(
        |receipt| matches!(&receipt.fact, Fact::Failure(failure) if *failure == failed.failure),
    );
    let mut lines = vec![shown_failure(story, failed, shown.copied())];
    let codes: BTreeSet<String> = told
        .iter()
        .filter_map(|receipt| match &receipt.fact {
            Fact::Failure(failure) => Some(
                failure
                    .code
                    .as_deref()
                    .map_or_else(|| "no code".to_owned(), |code| story.code(code)),
            ),
            Fact::Stage(_) | Fact::Other(_) => None,
        })
        .collect();
    if codes.len() > 1 {
        let list: Vec<String> = codes.into_iter().collect();
        lines.push(format!(
            "{} say that it failed, not all alike ({}); the one shown is the latest of those with a provider's code, else the latest.",
            counted(u64::from(failed.count), "fact"),
            list.join(", ")
        ));
    }
    lines
}

fn shown_failure(story: &Story<'_>, failed: &Failed, source: Option<&Receipt>) -> String {
    let code = failed.failure.code.as_deref();
    if code == Some(dictionary::EXPIRED) {
        return format!(
            "It waited in the queue until {}, longer than the account allows, and was never handed over.",
            at(failed.at)
        );
    }
    let kind = source.map(|receipt| receipt.source_kind);
    if kind == Some(SourceKind::Action) {
        return format!(
            "An operator marked it as failed at {}; no provider's code stands behind that.",
            at(failed.at)
        );
    }
    let with = code.map_or_else(
        || "without a code".to_owned(),
        |code| format!("with {}", story.code(code)),
    );
    let when = if failed.inferred {
        format!(", which we heard at {}", at(failed.at))
    } else {
        format!(" at {}", at(failed.at))
    };
    let provider = story.provider();
    if kind == Some(SourceKind::Attempt) {
        return format!("{provider}'s answer refused it {with}{when}.");
    }
    let count = story
        .receipts
        .iter()
        .filter(
            |receipt| matches!(&receipt.fact, Fact::Failure(failure) if *failure == failed.failure),
        )
        .count();
    format!(
        "{provider} reported it as failed {with}{}{when}.",
        times(u32::try_from(count).unwrap_or(u32::MAX))
    )
}

/// Facts that change nothing and yet explain something.
pub(super) fn rest(story: &Story<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let words: BTreeSet<String> = story
        .receipts
        .iter()
        .filter_map(|receipt| match &receipt.fact {
            Fact::Other(word) => Some(format!("`{}`", story.quote(word))),
            Fact::Stage(_) | Fact::Failure(_) => None,
        })
        .collect();
    if !words.is_empty() {
        let list: Vec<String> = words.into_iter().collect();
        lines.push(format!(
            "Reports with words that say nothing about delivery change nothing: {}.",
            list.join(", ")
        ));
    }
    let unbelievable = story
        .receipts
        .iter()
        .filter(|receipt| receipt.occurred_at.is_some() && receipt.believable_time().is_none())
        .count();
    if unbelievable > 0 {
        lines.push(format!(
            "{} named a time before 2009 or more than a day after we heard; such a time counts as absent.",
            counted(u64::try_from(unbelievable).unwrap_or(u64::MAX), "report")
        ));
    }
    let people: BTreeSet<&str> = story
        .receipts
        .iter()
        .filter(|receipt| receipt.source_kind == SourceKind::Callback)
        .filter_map(|receipt| receipt.recipient.as_deref())
        .collect();
    if people.len() > 1 {
        lines.push(format!(
            "Reports name {} recipients, as in a group; the message counts as far as any of them got.",
            people.len()
        ));
    }
    lines
}

/// The rule of the fold that decided.
pub(super) fn rule(story: &Story<'_>) -> Option<String> {
    let delivery = story.delivery;
    let rule = match delivery.state {
        _ if delivery.conflict => {
            let code = delivery
                .failure
                .as_ref()
                .and_then(|failed| failed.failure.code.as_deref())
                .map(|code| format!(" with {}", story.code(code)))
                .unwrap_or_default();
            let arrived = delivery.highest().map_or("delivered", Stage::as_str);
            format!(
                "It was reported as failed{code} and as {arrived}, whichever came first: on the phone counts, because only a phone can report that, while a failure may be about another of the customer's devices. It is marked as a conflict."
            )
        }
        DeliveryState::Delivered | DeliveryState::Read | DeliveryState::Played => {
            "The highest stage that was reported counts; the order in which reports came does not."
                .to_owned()
        }
        DeliveryState::Failed => match delivery.highest() {
            Some(stage @ (Stage::Sent | Stage::Submitted)) => format!(
                "A failure counts more than `{}`: it had come that far and was then given up.",
                stage.as_str()
            ),
            _ => "A failure counts where nothing says that it reached the phone.".to_owned(),
        },
        DeliveryState::Sent | DeliveryState::Submitted => {
            return silence(story);
        }
        DeliveryState::Uncertain => {
            "A message that may have been taken is never repeated by itself: the customer could get it twice, and it would be charged twice."
                .to_owned()
        }
        DeliveryState::Queued | DeliveryState::Sending | DeliveryState::Cancelled => return None,
    };
    Some(rule)
}

/// Whether the provider has been silent for too long.
fn silence(story: &Story<'_>) -> Option<String> {
    let only_strange_words =
        story.message.queue == QueueWord::Done && story.delivery.stage(Stage::Submitted).is_none();
    if only_strange_words {
        return Some(
            "Nothing but words that we do not know was reported; whoever reported on it must have had it."
                .to_owned(),
        );
    }
    let due = story.message.due_at?;
    let deadline = story
        .account
        .deadline
        .map_or_else(String::new, |length| format!(" of {}", super::span(length)));
    Some(if due <= story.now {
        format!(
            "It is overdue: the account's deadline{deadline} without news ran out at {}.",
            at(due)
        )
    } else {
        format!(
            "It is not overdue: the account's deadline{deadline} without news runs out at {}.",
            at(due)
        )
    })
}
