//! What stands for removed texts; and what is hashed, with a key, to recognise a request or a row of a campaign after the customer that it
//! named was erased, so that it is not sent a second time.

use crate::domain::campaign::CampaignId;
use crate::domain::ids::AccountId;

/// How every such hash begins.
pub const PREFIX: &str = "erased ";

/// Stands for a removed text in a column that must have one.
pub const TEXT: &str = "…";

/// Of an idempotency key.
pub fn of_request<'a>(account: &'a AccountId, name: &'a str) -> [&'a str; 3] {
    ["request", account.as_str(), name]
}

/// Of the hash of a request's meaning.
pub fn of_meaning(request_hash: &str) -> [&str; 2] {
    ["meaning", request_hash]
}

/// Of the id of a campaign.
pub fn of_campaign(id: &CampaignId) -> [&str; 2] {
    ["campaign", id.as_str()]
}

/// Of the key of a row of a campaign.
pub fn of_row<'a>(campaign: &'a CampaignId, row_key: &'a str) -> [&'a str; 3] {
    ["row", campaign.as_str(), row_key]
}
