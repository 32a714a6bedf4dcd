//! What replaces the texts of an erased customer.
//!
//! An idempotency key or a campaign's row key is replaced by its keyed hash, so that a repeated
//! request or row is still recognised and not sent a second time. The functions return the parts
//! that are hashed; the first one distinguishes the kinds.

use crate::domain::campaign::CampaignId;
use crate::domain::ids::AccountId;

/// The prefix of every such hash.
pub const PREFIX: &str = "erased ";

/// Replaces an erased text in a column that must have one.
pub const TEXT: &str = "…";

/// For an idempotency key.
pub fn of_request<'a>(account: &'a AccountId, key: &'a str) -> [&'a str; 3] {
    ["request", account.as_str(), key]
}

/// For a request hash, which identifies the content of a request.
pub fn of_request_hash(request_hash: &str) -> [&str; 2] {
    ["meaning", request_hash]
}

/// For the id of a campaign.
pub fn of_campaign(id: &CampaignId) -> [&str; 2] {
    ["campaign", id.as_str()]
}

/// For the key of a campaign's row.
pub fn of_row<'a>(campaign: &'a CampaignId, row_key: &'a str) -> [&'a str; 3] {
    ["row", campaign.as_str(), row_key]
}
