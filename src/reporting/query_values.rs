//! Values of query parameters and command line options. Error texts have no subject: callers put
//! the parameter's name before them (`from` + `must be …`).

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

use crate::domain::campaign::CampaignId;
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::phone_text::parse_user_id;
use crate::domain::rfc3339;
use crate::sending::recipient_number;

pub fn parse_word<T: Copy, const N: usize>(
    text: &str,
    all: [T; N],
    as_str: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    all.into_iter()
        .find(|word| as_str(*word) == text)
        .ok_or_else(|| format!("must be one of {}", all.map(as_str).join(", ")))
}

pub fn parse_flag(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

pub fn parse_account(text: &str) -> Result<AccountId, String> {
    text.parse().map_err(|_| "is not an account id".to_owned())
}

pub fn parse_campaign(text: &str) -> Result<CampaignId, String> {
    text.parse().map_err(|_| "is not a campaign id".to_owned())
}

pub fn parse_message_id(text: &str) -> Result<MessageId, String> {
    text.parse().map_err(|_| "is not a message id".to_owned())
}

pub fn parse_provider_message_id(text: &str) -> Result<String, String> {
    ProviderMessageId::parse_stored(text)
        .map(|id| id.as_str().to_owned())
        .map_err(|error| error.to_string())
}

/// The digits of a complete phone number. In a query string an unencoded `+` arrives as a space.
pub fn parse_phone(text: &str) -> Result<String, String> {
    recipient_number::parse_stored(text)
        .map(|number| number.digits().to_owned())
        .map_err(|_| "must be a phone number with country code, 7 to 15 digits".to_owned())
}

/// The digits of a complete phone number, or a user id.
pub fn parse_customer(text: &str) -> Result<String, String> {
    parse_phone(text).or_else(|error| parse_user_id(text).ok_or(error))
}

/// A recipient as a report named it: the digits of a phone number; any other id is unchanged.
pub fn parse_recipient(text: &str) -> String {
    parse_phone(text).unwrap_or_else(|_| text.to_owned())
}

pub fn parse_zone(text: &str) -> Result<Tz, String> {
    text.parse()
        .map_err(|_| "must be a time zone such as Asia/Kolkata".to_owned())
}

pub fn parse_instant(text: &str) -> Result<DateTime<Utc>, String> {
    rfc3339::parse(text).map_err(|error| error.to_string())
}

pub fn print_instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
