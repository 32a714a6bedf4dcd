//! Campaigns and their recipients.

mod campaign_id_change;
mod campaign_record;
mod campaign_results;
mod campaign_template;
mod campaign_writes;
mod first_use;
mod queued_messages;
mod recipient_erasure;
mod recipients;

pub use campaign_record::CampaignCursor;
pub use campaign_results::{DeliveryTimes, FailureGroup};
pub use campaign_writes::NewCampaignMessage;
pub use queued_messages::Expiry;
pub(crate) use queued_messages::PAUSED_HOLD;
pub use recipient_erasure::RecipientRow;
pub use recipients::{NewRecipient, WaitingRecipient};
