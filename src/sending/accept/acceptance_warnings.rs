//! Warns about a valid message that is probably a mistake. Refuses one outside the recipient's
//! window if the account is configured to.

use chrono::{DateTime, Utc};

use crate::domain::message_warning::{MessageWarning, WarningCode};
use crate::domain::provider_account::AccountMode;
use crate::sending::accept::Acceptor;
use crate::sending::accept::accept_error::AcceptError;
use crate::sending::accept::acceptance_state::{AcceptanceQuestion, read_states};
use crate::sending::accept::message_fields::CheckedMessage;
use crate::sending::accept::message_input::{MediaInspection, MessageInput};
use crate::sending::accept::window_check::{self, WindowVerdict};
use crate::sending::queue_warnings::{self, QueuePlace};
use crate::store::send_queue::QueuePart;

impl Acceptor {
    /// Warns about the recipient's window, the media, and whether the message will be sent in time.
    pub(super) async fn list_warnings(
        &self,
        input: &MessageInput,
        checked: &CheckedMessage<'_>,
        inspection: MediaInspection,
        now: DateTime<Utc>,
    ) -> Result<Vec<MessageWarning>, AcceptError> {
        let (account, draft) = (checked.account, &checked.draft);
        let mut warnings = Vec::new();
        let recipient = window_check::depends_on_window(account, draft)
            .then(|| draft.recipient.digits().to_owned());
        let question = AcceptanceQuestion {
            account: account.id.clone(),
            recipient,
            now,
        };
        let read = async |questions: &[_]| read_states(&self.store, questions).await;
        let state = self.states.find(question, read).await?;
        match window_check::judge_window(account, state.window, now) {
            WindowVerdict::Accepted => {}
            WindowVerdict::Warned(warning) => warnings.push(warning),
            WindowVerdict::Refused(error) => return Err(AcceptError::Invalid(vec![error])),
        }
        if inspection == MediaInspection::Full {
            warnings.extend(self.check_media(input, account, draft).await?);
        }
        if account.mode == AccountMode::DryRun {
            warnings.push(MessageWarning::new(
                WarningCode::DryRun,
                format!("account {} is in dry-run: nothing will be sent", account.id),
            ));
            return Ok(warnings);
        }
        let ahead = if draft.campaign.is_none() {
            QueuePart::OutsideCampaigns
        } else {
            QueuePart::Whole
        };
        let max_wait = checked.time_left(now)?;
        let pause = state.pause.as_ref();
        if let Some(warning) = queue_warnings::stopped_account_warning(account, pause, &state.flow)
        {
            warnings.push(warning);
        } else if let Some(rate) = state.flow.rate(account.rate, now) {
            let place = QueuePlace {
                ahead,
                rate,
                max_wait,
            };
            let warning = self.queue_warnings.find(&self.store, account, place, now);
            warnings.extend(warning.await?);
        }
        Ok(warnings)
    }
}
