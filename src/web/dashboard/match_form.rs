//! The form that matches an orphan with its message, on the problems page and on the page of the
//! orphan.
//!
//! The input is parsed like the search box. Input that matches no message, or several, shows an
//! error in the form.

use crate::db;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::scope::Visibility;
use crate::reporting::search_text::SearchText;
use crate::services::Services;
use crate::store::messages::MessageFilter;
use crate::store::orphan_list::SuggestedMessage;
use crate::web::dashboard::message_summary::short_id;
use crate::web::dashboard::visible_text::visible_line;

/// Messages offered when the input matches several.
const CHOICES: usize = 5;

#[derive(Clone, Debug)]
pub(super) struct MatchForm {
    pub(super) action: String,
    pub(super) field: String,
    /// Label (reference or short id) and id of each message.
    pub(super) suggestions: Vec<(String, String)>,
    /// The input, and why it matches no message.
    pub(super) error: Option<(String, String)>,
    /// The page that contains the form, and shows its error.
    pub(super) page: MatchFormPage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MatchFormPage {
    Problems,
    /// The orphan's own page.
    Report,
}

impl MatchFormPage {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Problems => "problems",
            Self::Report => "report",
        }
    }

    pub(super) fn parse(word: &str) -> Self {
        if word == Self::Problems.as_str() {
            Self::Problems
        } else {
            Self::Report
        }
    }
}

/// Why the input names no message to match with.
#[derive(Debug)]
pub(super) enum MatchTargetError {
    /// The form shows this error.
    Input(MatchFormError),
    Store(db::Error),
}

impl From<db::Error> for MatchTargetError {
    fn from(error: db::Error) -> Self {
        Self::Store(error)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct MatchFormError {
    pub(super) orphan: MessageId,
    pub(super) input: String,
    pub(super) text: String,
    pub(super) choices: Vec<SuggestedMessage>,
}

impl MatchForm {
    pub(super) fn new(
        orphan: MessageId,
        suggestions: &[SuggestedMessage],
        page: MatchFormPage,
    ) -> Self {
        Self {
            action: format!("/orphans/{orphan}/match"),
            field: format!("match-{orphan}"),
            suggestions: labelled(suggestions),
            error: None,
            page,
        }
    }

    /// Ignores errors of other orphans.
    pub(super) fn show_error(&mut self, error: &MatchFormError) {
        if self.action != format!("/orphans/{}/match", error.orphan) {
            return;
        }
        self.error = Some((error.input.clone(), error.text.clone()));
        if !error.choices.is_empty() {
            self.suggestions = labelled(&error.choices);
        }
    }
}

/// By the caller's reference, else by the end of the id. Only operators see the form, unmasked.
fn labelled(suggestions: &[SuggestedMessage]) -> Vec<(String, String)> {
    suggestions
        .iter()
        .map(|it| {
            let reference = it.reference.as_deref();
            let label = reference.map_or_else(|| short_id(it.id), visible_line);
            (label, it.id.to_string())
        })
        .collect()
}

/// Finds the one message of the account that matches the input.
pub(super) async fn find_target(
    services: &Services,
    account: &AccountId,
    orphan: MessageId,
    input: &str,
) -> Result<MessageId, MatchTargetError> {
    let error = |text: &str, choices| {
        MatchTargetError::Input(MatchFormError {
            orphan,
            input: input.to_owned(),
            text: text.to_owned(),
            choices,
        })
    };
    let search = SearchText::parse(input)
        .map_err(|_| error("Enter the message that it is about.", Vec::new()))?;
    let filter = MessageFilter {
        account: Some(account.clone()),
        // Only callers with the scope `operate` get here.
        search: search.meanings(Visibility::Full),
        ..MessageFilter::default()
    };
    let page = services
        .store
        .list_messages(&filter, None, CHOICES + 1)
        .await?;
    let found = page.messages.into_iter().filter(|it| it.id != orphan);
    let found: Vec<SuggestedMessage> = found
        .map(|message| SuggestedMessage {
            id: message.id,
            reference: message.client_reference,
        })
        .collect();
    match found.as_slice() {
        [] => Err(error(
            "No message of this account has that id, phone number, wamid or reference.",
            Vec::new(),
        )),
        [only] => Ok(only.id),
        several => {
            let choices = several.iter().take(CHOICES).cloned().collect();
            Err(error(
                "Several messages match. These are the newest; choose one.",
                choices,
            ))
        }
    }
}
