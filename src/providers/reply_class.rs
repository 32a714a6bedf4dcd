//! What a reply that does not accept a message means for the message, its recipient and the
//! account: a table per provider, and tables for all of them.
//!
//! The sources are the providers' documentation, linked in their files, and Meta's error codes,
//! which all of them pass on.

use std::ops::RangeInclusive;

use crate::domain::failure::Failure;
use crate::domain::failure_codes::KALEYRA_ACCOUNT_CODES;
use crate::domain::provider::ProviderId;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyClass {
    /// The provider has the message.
    Accepted,
    /// This message will never be accepted.
    Refused,
    /// Every message of the account would be refused in the same way.
    AccountRefused,
    /// The whole account sends too fast.
    SlowDown,
    /// This recipient gets too many messages.
    SlowDownRecipient,
    /// Not accepted; documented as safe to repeat.
    TryLater,
    /// The provider may have the message.
    Unclear,
}

/// A row of a table. Every condition that is given must hold; the first such row decides.
#[derive(Debug)]
pub struct ReplyRule {
    /// The status in the body, if there is one, else the one of the reply.
    pub statuses: RangeInclusive<u16>,
    /// Any of these codes in the body.
    pub codes: &'static [&'static str],
    /// Any of these in the provider's text, in lower case.
    pub texts: &'static [&'static str],
    pub retry_after: Option<RetryAfter>,
    pub class: ReplyClass,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RetryAfter {
    Given,
    Missing,
}

const ANY_STATUS: RangeInclusive<u16> = 0..=u16::MAX;

const fn status(statuses: RangeInclusive<u16>, class: ReplyClass) -> ReplyRule {
    ReplyRule {
        statuses,
        codes: &[],
        texts: &[],
        retry_after: None,
        class,
    }
}

const fn codes(codes: &'static [&'static str], class: ReplyClass) -> ReplyRule {
    ReplyRule {
        statuses: ANY_STATUS,
        codes,
        texts: &[],
        retry_after: None,
        class,
    }
}

const fn texts(
    statuses: RangeInclusive<u16>,
    texts: &'static [&'static str],
    class: ReplyClass,
) -> ReplyRule {
    ReplyRule {
        statuses,
        codes: &[],
        texts,
        retry_after: None,
        class,
    }
}

/// Texts with which providers report that the account has no balance.
const NO_BALANCE: &[&str] = &[
    "insufficient balance",
    "insufficient credit",
    "insufficient fund",
    "low balance",
    "not enough balance",
    "not enough credit",
];

/// Checked before the table of the provider.
pub static FIRST_FOR_ALL: &[ReplyRule] = &[
    texts(200..=499, NO_BALANCE, ReplyClass::AccountRefused),
    codes(&["80007", "130429", "131048"], ReplyClass::SlowDown),
    codes(&["131056"], ReplyClass::SlowDownRecipient),
];

/// Checked after the table of the provider.
pub static LAST_FOR_ALL: &[ReplyRule] = &[
    status(429..=429, ReplyClass::SlowDown),
    status(401..=401, ReplyClass::AccountRefused),
    status(403..=403, ReplyClass::AccountRefused),
    status(300..=399, ReplyClass::AccountRefused),
    ReplyRule {
        retry_after: Some(RetryAfter::Given),
        ..status(503..=503, ReplyClass::TryLater)
    },
    // The server may have received the whole request before its timeout.
    status(408..=408, ReplyClass::Unclear),
    status(400..=499, ReplyClass::Refused),
    status(ANY_STATUS, ReplyClass::Unclear),
];

/// <https://docs.sobot.in> documents no failure of a submission.
static SOBOT: &[ReplyRule] = &[];

/// <https://developers.kaleyra.io/docs/whatsapp-api-v2-error-codes-for-send-message>
static KALEYRA: &[ReplyRule] = &[
    codes(KALEYRA_ACCOUNT_CODES, ReplyClass::AccountRefused),
    codes(&["WA200", "WA202"], ReplyClass::Accepted),
    codes(&["WA400", "E13001"], ReplyClass::Refused),
    codes(&["WA500"], ReplyClass::TryLater),
];

/// Its replies have no codes: `{"status": false, "message": …}`, with HTTP 400, 401 or 200.
static ZIXFLOW: &[ReplyRule] = &[texts(
    // A 429 slows the account down, even if its text names the plan.
    200..=428,
    &[
        "balance",
        "credits",
        "wallet",
        "recharge",
        "subscription",
        "your plan",
        "current plan",
        "plan has",
        "plan does",
        "plan is",
        "plan expired",
        "plan limit",
        "upgrade",
        "unauthoris",
        "unauthoriz",
        "not authoris",
        "not authoriz",
        "authorisation",
        "authorization",
        "no token provided",
        "invalid token",
        "token expired",
    ],
    ReplyClass::AccountRefused,
)];

/// <https://api.lancepilot.com/llms.txt>. A contact that does not exist is created, so 404 means
/// that the workspace does not exist, unless the text says something else.
static LANCEPILOT: &[ReplyRule] = &[
    texts(
        404..=404,
        &["contact", "number", "recipient", "phone", "template"],
        ReplyClass::Refused,
    ),
    status(404..=404, ReplyClass::AccountRefused),
];

/// The table of a provider.
pub fn rules_of(provider: ProviderId) -> &'static [ReplyRule] {
    match provider {
        ProviderId::Sobot => SOBOT,
        ProviderId::Kaleyra => KALEYRA,
        ProviderId::Zixflow => ZIXFLOW,
        ProviderId::LancePilot => LANCEPILOT,
    }
}

/// The class of a reply that has this status and failure.
pub fn classify(
    provider: ProviderId,
    status: u16,
    failure: &Failure,
    retry_after: RetryAfter,
) -> ReplyClass {
    let text = failure.text().to_lowercase();
    let code = failure.code.as_deref().map(str::trim).unwrap_or_default();
    let applies = |rule: &&ReplyRule| {
        rule.statuses.contains(&status)
            && (rule.codes.is_empty() || rule.codes.contains(&code))
            && (rule.texts.is_empty() || rule.texts.iter().any(|words| text.contains(words)))
            && rule.retry_after.is_none_or(|needed| needed == retry_after)
    };
    FIRST_FOR_ALL
        .iter()
        .chain(rules_of(provider))
        .chain(LAST_FOR_ALL)
        .find(applies)
        .map_or(ReplyClass::Unclear, |rule| rule.class)
}
