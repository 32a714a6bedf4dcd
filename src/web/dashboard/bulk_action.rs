//! Actions on many messages at once: the texts of each action, and how it is run.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::domain::campaign::CampaignMedia;
use crate::domain::scope::Caller;
use crate::operating::action_context::ActionError;
use crate::operating::bulk_actions::{BulkMode, BulkResult, BulkSelection};
use crate::operating::bulk_cancel::cancel_all;
use crate::operating::bulk_mark_failed::mark_all_failed;
use crate::operating::bulk_resend::resend_all;
use crate::reporting::number_format::counted;
use crate::services::Services;
use crate::store::messages::MessageFilter;
use crate::web::api::action_endpoints::action_context;
use crate::web::error::ApiError;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BulkAction {
    Resend,
    Cancel,
    MarkFailed,
}

/// What the operator adds to the selection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct BulkDetails {
    /// The URL of other media for a resend; empty for the same.
    pub(super) media: String,
    /// Why messages are marked as failed.
    pub(super) reason: Option<String>,
}

/// The action whose route was called.
impl FromRequest for BulkAction {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let route = request.match_pattern().unwrap_or_default();
        let mut actions = [Self::Resend, Self::Cancel, Self::MarkFailed].into_iter();
        let called = actions.find(|action| route.ends_with(action.path()));
        ready(called.ok_or(ApiError::NotFound))
    }
}

impl BulkAction {
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Resend => "/messages/resend",
            Self::Cancel => "/messages/cancel",
            Self::MarkFailed => "/messages/mark-failed",
        }
    }

    /// "Resend 3 messages", for `3 messages`.
    pub(super) fn command(self, messages: &str) -> String {
        match self {
            Self::Resend => format!("Resend {messages}"),
            Self::Cancel => format!("Cancel {messages}"),
            Self::MarkFailed => format!("Mark {messages} as failed"),
        }
    }

    pub(super) fn result(self, number: u64) -> String {
        let messages = counted(number, "message was", "messages were");
        match self {
            Self::Resend => format!("{messages} resent"),
            Self::Cancel => format!("{messages} cancelled"),
            Self::MarkFailed => format!("{messages} marked as failed"),
        }
    }

    pub(super) fn consequence(self) -> &'static str {
        match self {
            Self::Resend => {
                "Each becomes a new message, once, and the provider may charge for it. An uncertain message may have arrived: its customer could receive it twice."
            }
            Self::Cancel => {
                "They will not be sent. A message whose submission has begun is not cancelled."
            }
            Self::MarkFailed => {
                "Use this when you know that they did not arrive. A later report that one was delivered still takes precedence."
            }
        }
    }

    /// Why the action does not examine some messages that match the filter. Depends on whether the filter
    /// names states.
    pub(super) fn exclusion_reason(self, filter: &MessageFilter) -> &'static str {
        match self {
            _ if !filter.ids.is_empty() => "no longer listed",
            Self::Resend if filter.states.is_empty() => "not failed, or resent already",
            Self::Resend => "resent already",
            Self::Cancel => "not queued",
            Self::MarkFailed => "not uncertain; filter by a state to mark others",
        }
    }

    pub(super) async fn run(
        self,
        services: &Services,
        caller: &Caller,
        selection: BulkSelection,
        details: &BulkDetails,
        mode: BulkMode,
    ) -> Result<BulkResult, ActionError> {
        let context = action_context(services, caller);
        let store = &services.store;
        match self {
            Self::Cancel => cancel_all(store, selection, mode, &context).await,
            Self::MarkFailed => {
                let reason = details.reason.as_deref();
                mark_all_failed(store, selection, reason, mode, &context).await
            }
            Self::Resend => {
                let media = (!details.media.is_empty()).then(|| CampaignMedia {
                    url: Some(details.media.clone()),
                    id: None,
                    mime_type: None,
                });
                let (acceptor, media) = (&services.acceptor, media.as_ref());
                let result = resend_all(store, acceptor, selection, media, mode, &context).await?;
                if mode == BulkMode::Apply {
                    services.dispatch_wakeup.notify_one();
                    services.campaign_changed.notify_one();
                }
                Ok(result)
            }
        }
    }
}
