//! Checks the media itself before a message is accepted, as the account wants it.

use std::time::Duration;

use crate::domain::media::MediaSource;
use crate::domain::media_rules::{MediaFinding, MediaRule};
use crate::domain::message::MessageDraft;
use crate::domain::message_warning::{MessageWarning, WarningCode};
use crate::domain::provider_account::{Account, Preflight};
use crate::sending::accept::Acceptor;
use crate::sending::accept::accept_error::{AcceptError, InvalidField};
use crate::sending::accept::message_input::MessageInput;
use crate::sending::media_check::{MediaPurpose, check_file};
use crate::store::message_acceptance::IdempotencyKey;

/// How long a request may wait for the host of its media.
const PATIENCE: Duration = Duration::from_secs(2);
/// If the message is refused otherwise.
const LONG_PATIENCE: Duration = Duration::from_secs(10);

impl Acceptor {
    /// A warning for each rule that the media breaks, or a refusal that lists them.
    pub(super) async fn check_media(
        &self,
        input: &MessageInput,
        account: &Account,
        draft: &MessageDraft,
        key: Option<&IdempotencyKey>,
    ) -> Result<Vec<MessageWarning>, AcceptError> {
        let patience = match account.preflight {
            Preflight::Off => return Ok(Vec::new()),
            Preflight::Warn => PATIENCE,
            Preflight::Refuse => LONG_PATIENCE,
        };
        let purpose = MediaPurpose {
            kind: Some(draft.media.kind),
            mime_type: input.mime_type.as_deref(),
            provider: Some(draft.provider),
        };
        let (field, findings) = match (&draft.media.source, &input.upload) {
            (MediaSource::Url(url), None) => (
                "media.url",
                self.media.check_url(url, purpose, patience).await,
            ),
            (_, Some(upload)) => (
                "file",
                check_file(&upload.path, upload.file_name.as_deref(), purpose)
                    .await
                    .map_err(AcceptError::Upload)?,
            ),
            (MediaSource::Id(_) | MediaSource::Upload(_), None) => return Ok(Vec::new()),
        };
        let wrong = |finding: &&MediaFinding| finding.rule != MediaRule::Checked;
        if account.preflight == Preflight::Refuse && findings.iter().any(|found| wrong(&found)) {
            // What was accepted before is not refused when its request is repeated.
            let accepted_before = match key {
                Some(key) => self.store.find_accepted(&account.id, key).await?.is_some(),
                None => false,
            };
            if !accepted_before {
                let wrong = findings.iter().filter(wrong);
                let errors = wrong.map(|finding| InvalidField::new(field, text(finding)));
                return Err(AcceptError::Invalid(errors.collect()));
            }
        }
        let warnings = findings
            .iter()
            .map(|finding| MessageWarning::new(WarningCode::Media, text(finding)));
        Ok(warnings.collect())
    }
}

fn text(finding: &MediaFinding) -> String {
    format!("{}: {}", finding.rule, finding.message)
}
