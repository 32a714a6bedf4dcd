//! The form by which a person says which message an unmatched report is about, on the page of problems and on the report's own.
//!
//! What was typed is read as the search box reads it; a name that fits no message, or several, is answered in the form itself.

use crate::db;
use crate::domain::access::Visibility;
use crate::domain::ids::{AccountId, MessageId};
use crate::services::Services;
use crate::store::messages::MessageFilter;
use crate::web::api::search::parse_search;
use crate::web::dashboard::callbacks::short;

/// Messages offered when what was typed fits several.
const CHOICES: usize = 5;

/// How an unmatched report is given to its message.
#[derive(Clone, Debug)]
pub(super) struct Matching {
    pub(super) action: String,
    pub(super) field: String,
    /// Short name and whole id of the messages that fit.
    pub(super) suggestions: Vec<(String, String)>,
    /// What was typed, and why it named no message.
    pub(super) trouble: Option<(String, String)>,
    /// The page that the form stands on.
    pub(super) page: FormPage,
}

/// Which page a form was sent from: it shows what was wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FormPage {
    /// The page of problems.
    Problems,
    /// The report's own.
    Report,
}

impl FormPage {
    /// The word in the form.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Problems => "problems",
            Self::Report => "report",
        }
    }

    /// Reads the word of a form.
    pub(super) fn parse(word: &str) -> Self {
        if word == Self::Problems.as_str() {
            Self::Problems
        } else {
            Self::Report
        }
    }
}

/// Why what was typed names no message, and those it may mean.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct MatchTrouble {
    pub(super) orphan: MessageId,
    pub(super) given: String,
    pub(super) words: String,
    pub(super) choices: Vec<MessageId>,
}

impl Matching {
    pub(super) fn new(orphan: MessageId, suggestions: &[MessageId], page: FormPage) -> Self {
        Self {
            action: format!("/orphans/{orphan}/match"),
            field: format!("match-{orphan}"),
            suggestions: named(suggestions),
            trouble: None,
            page,
        }
    }

    /// Says why the last try failed, where it was about this report.
    pub(super) fn note(&mut self, trouble: &MatchTrouble) {
        if self.action != format!("/orphans/{}/match", trouble.orphan) {
            return;
        }
        self.trouble = Some((trouble.given.clone(), trouble.words.clone()));
        if !trouble.choices.is_empty() {
            self.suggestions = named(&trouble.choices);
        }
    }
}

fn named(ids: &[MessageId]) -> Vec<(String, String)> {
    ids.iter().map(|id| (short(*id), id.to_string())).collect()
}

/// The one message of the account that what was typed names.
pub(super) async fn find_target(
    services: &Services,
    account: &AccountId,
    orphan: MessageId,
    given: &str,
) -> Result<Result<MessageId, MatchTrouble>, db::Error> {
    let trouble = |words: &str, choices| MatchTrouble {
        orphan,
        given: given.to_owned(),
        words: words.to_owned(),
        choices,
    };
    // Only who operates gets here, and who operates sees numbers.
    let Ok(search) = parse_search(given, Visibility::Full) else {
        return Ok(Err(trouble("Say which message it is about.", Vec::new())));
    };
    let filter = MessageFilter {
        account: Some(account.clone()),
        search,
        ..MessageFilter::default()
    };
    let page = services
        .store
        .list_messages(&filter, None, CHOICES + 1)
        .await?;
    let mut found: Vec<MessageId> = page.messages.iter().map(|message| message.id).collect();
    found.retain(|id| *id != orphan);
    Ok(match found.as_slice() {
        [] => Err(trouble(
            "No message of this account has that id, phone number, wamid or reference.",
            Vec::new(),
        )),
        [only] => Ok(*only),
        several => {
            let choices = several.iter().take(CHOICES).copied().collect();
            Err(trouble(
                "Several messages fit; these are the newest. Say which one it is.",
                choices,
            ))
        }
    })
}
