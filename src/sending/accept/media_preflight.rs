//! Checks a message's media file before the message is accepted, as the account's `preflight` says.

use std::time::Duration;

use crate::domain::campaign::CampaignMedia;
use crate::domain::ids::AccountId;
use crate::domain::media::{MediaKind, MediaSource};
use crate::domain::media_rules::{MediaFinding, MediaRule};
use crate::domain::message::MessageDraft;
use crate::domain::message_warning::{MessageWarning, WarningCode};
use crate::domain::provider_account::{Account, Preflight};
use crate::sending::accept::Acceptor;
use crate::sending::accept::accept_error::{AcceptError, InvalidField};
use crate::sending::accept::media_fields;
use crate::sending::accept::message_input::MessageInput;
use crate::sending::media_check::{MediaPurpose, check_file};

/// How long a request waits for the host of its media if the account only warns.
const WARN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long it waits if the account refuses wrong media, or if many messages share the media.
const REFUSE_TIMEOUT: Duration = Duration::from_secs(10);

impl Acceptor {
    /// A warning for each rule that the media breaks, or a refusal that lists them.
    pub(super) async fn check_media(
        &self,
        input: &MessageInput,
        account: &Account,
        draft: &MessageDraft,
    ) -> Result<Vec<MessageWarning>, AcceptError> {
        let timeout = match account.preflight {
            Preflight::Off => return Ok(Vec::new()),
            Preflight::Warn => WARN_TIMEOUT,
            Preflight::Refuse => REFUSE_TIMEOUT,
        };
        let purpose = MediaPurpose {
            kind: Some(draft.media.kind),
            mime_type: media_fields::find_given_type(input).map(|(_, given)| given),
            provider: Some(draft.provider),
        };
        let (field, findings) = match (&draft.media.source, &input.upload) {
            (MediaSource::Url(url), None) => (
                "media.url",
                self.media.check_url(url, purpose, timeout).await,
            ),
            (_, Some(upload)) => (
                "file",
                check_file(&upload.path, upload.file_name.as_deref(), purpose)
                    .await
                    .map_err(AcceptError::Upload)?,
            ),
            (MediaSource::Id(_) | MediaSource::Upload(_), None) => return Ok(Vec::new()),
        };
        warn_or_refuse(account, field, &findings).map_err(AcceptError::Invalid)
    }

    /// Checks media that many messages share, if it is given by URL.
    pub async fn check_shared_media(
        &self,
        account: &AccountId,
        kind: Option<MediaKind>,
        media: &CampaignMedia,
    ) -> Result<Vec<MessageWarning>, Vec<InvalidField>> {
        let (Some(account), Some(url)) = (self.accounts.get(account), &media.url) else {
            return Ok(Vec::new());
        };
        if account.preflight == Preflight::Off {
            return Ok(Vec::new());
        }
        let purpose = MediaPurpose {
            kind,
            mime_type: media.mime_type.as_deref(),
            provider: Some(account.provider()),
        };
        let findings = self.media.check_url(url, purpose, REFUSE_TIMEOUT).await;
        warn_or_refuse(account, "media.url", &findings)
    }
}

fn warn_or_refuse(
    account: &Account,
    field: &str,
    findings: &[MediaFinding],
) -> Result<Vec<MessageWarning>, Vec<InvalidField>> {
    let is_wrong = |finding: &&MediaFinding| finding.rule != MediaRule::Checked;
    let wrong: Vec<InvalidField> = findings
        .iter()
        .filter(is_wrong)
        .map(|finding| InvalidField::new(field, text(finding)))
        .collect();
    if account.preflight == Preflight::Refuse && !wrong.is_empty() {
        return Err(wrong);
    }
    let warnings = findings
        .iter()
        .map(|finding| MessageWarning::new(WarningCode::Media, text(finding)));
    Ok(warnings.collect())
}

fn text(finding: &MediaFinding) -> String {
    format!("{}: {}", finding.rule, finding.message)
}
