//! Campaigns: creates them, reads their recipients, and turns recipients into messages in groups.

mod campaign_sender;
mod create_campaign;
mod erase_rows;
mod import_recipients;
mod recipient_content;
mod recipient_lines;
mod recipient_rows;

pub use campaign_sender::{CampaignSender, SenderStep};
pub use create_campaign::{CreateCampaignError, NewCampaign, check, create};
pub use erase_rows::CampaignRows;
pub use import_recipients::{
    ImportError, ImportMode, ImportReport, REJECTIONS_LISTED, RejectedRow, import,
};
pub use recipient_content::RecipientContent;
pub use recipient_rows::RowFormat;
