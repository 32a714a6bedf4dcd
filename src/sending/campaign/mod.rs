//! Campaigns: creates them, reads their recipients, and turns recipients into messages in groups.

mod campaign_sender;
mod create_campaign;
mod import_recipients;
mod recipient_content;
mod recipient_lines;
mod recipient_rows;

pub use campaign_sender::{CampaignSender, SenderStep};
pub use create_campaign::{CreateCampaignError, NewCampaign, check, create};
pub use import_recipients::{
    ImportError, ImportMode, ImportReport, REJECTIONS_LISTED, RejectedRow, import,
};
pub use recipient_content::RecipientContent;
pub(crate) use recipient_content::recipient_key;
pub use recipient_rows::RowFormat;
