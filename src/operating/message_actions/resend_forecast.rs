//! What the form that resends a message offers: other media if the media caused the failure, a
//! template if nothing else would arrive.

use crate::domain::failure::FailureClass;
use crate::domain::media::MediaSource;
use crate::domain::message::Message;
use crate::operating::message_actions::resend_advice::{
    RepeatCause, ResendAdvisor, reported_failure,
};
use crate::sending::accept::AcceptError;
use crate::services::Services;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResendForecast {
    /// The explanation of the message says why, and what to do.
    pub would_fail: bool,
    pub media: MediaChoice,
    /// Only an approved template would reach the customer.
    pub needs_template: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MediaChoice {
    /// The media is not the problem.
    #[default]
    Same,
    /// The media failed, so the operator may choose other media.
    Offered,
    /// The file of the message was deleted.
    Required,
}

/// For a message that can be resent.
pub async fn forecast(
    services: &Services,
    message: &Message,
) -> Result<ResendForecast, AcceptError> {
    let now = services.clock.now();
    let advisor = ResendAdvisor::load(&services.store, &services.accounts, now).await?;
    let advice = advisor.advise(message).await?;
    let class = reported_failure(message).map(|reported| reported.class);
    Ok(ResendForecast {
        would_fail: advice.is_some(),
        media: choose_media(services, message, class).await?,
        needs_template: advice.is_some_and(|advice| advice.cause == RepeatCause::Window),
    })
}

async fn choose_media(
    services: &Services,
    message: &Message,
    class: Option<FailureClass>,
) -> Result<MediaChoice, AcceptError> {
    let source = message.media.as_ref().map(|media| &media.source);
    // Only a file that was served as a link is kept after the submission.
    let was_discarded =
        matches!(source, Some(MediaSource::Upload(upload)) if upload.token.is_none());
    let is_lost = was_discarded || services.acceptor.has_lost_upload(message).await?;
    Ok(if is_lost {
        MediaChoice::Required
    } else if class == Some(FailureClass::Media) {
        MediaChoice::Offered
    } else {
        MediaChoice::Same
    })
}
