//! The replacement of erased texts, and the texts whose keyed hash identifies a request or a row of
//! a campaign after the customer that it named was erased, so that it is not sent a second time.

use crate::domain::campaign::CampaignId;
use crate::domain::ids::AccountId;

/// The prefix of every such hash.
pub const PREFIX: &str = "erased ";

/// Replaces an erased text in a column that must have one.
pub const TEXT: &str = "…";

/// What is hashed for an idempotency key.
pub fn of_request<'a>(account: &'a AccountId, name: &'a str) -> [&'a str; 3] {
    ["request", account.as_str(), name]
}

/// What is hashed for a request hash, which identifies the content of a request.
pub fn of_request_hash(request_hash: &str) -> [&str; 2] {
    ["meaning", request_hash]
}

/// What is hashed for the id of a campaign.
pub fn of_campaign(id: &CampaignId) -> [&str; 2] {
    ["campaign", id.as_str()]
}

/// What is hashed for the key of a row of a campaign.
pub fn of_row<'a>(campaign: &'a CampaignId, row_key: &'a str) -> [&'a str; 3] {
    ["row", campaign.as_str(), row_key]
}
