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

/// Of an idempotency key.
pub fn request_key_parts<'a>(account: &'a AccountId, key: &'a str) -> [&'a str; 3] {
    ["request", account.as_str(), key]
}

/// Of a request hash, which identifies the content of a request.
pub fn request_hash_parts(request_hash: &str) -> [&str; 2] {
    ["meaning", request_hash]
}

pub fn campaign_id_parts(id: &CampaignId) -> [&str; 2] {
    ["campaign", id.as_str()]
}

/// Of the key of a campaign's row.
pub fn row_key_parts<'a>(campaign: &'a CampaignId, row_key: &'a str) -> [&'a str; 3] {
    ["row", campaign.as_str(), row_key]
}
