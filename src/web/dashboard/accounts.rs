//! `/accounts`: is it connected? Callback address to copy, steps for the provider's console, health.

use askama::Template;
use chrono::{DateTime, Utc};

use crate::domain::ids::AccountId;
use crate::domain::provider::{Mode, ProviderId};
use crate::web::dashboard::figure::ago;
use crate::web::dashboard::frame::{Frame, Refresh, Section};
use crate::web::dashboard::masking::Visibility;
use crate::web::dashboard::moment::Moment;
use crate::web::dashboard::text::visible_line;

/// How an account is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Health {
    /// It reports.
    Ok,
    /// No callback ever came.
    Unconfigured,
    /// We send, and the provider is silent.
    Silent,
    /// Its callbacks fail authentication.
    Refused,
    /// The provider refused the account; its messages wait.
    Paused {
        /// What the provider said.
        reason: String,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Known from before, no longer in the configuration; its callbacks are still kept.
    Removed,
}

impl Health {
    /// The word used in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unconfigured => "unconfigured",
            Self::Silent => "silent",
            Self::Refused => "refused",
            Self::Paused { .. } => "paused",
            Self::Removed => "removed",
        }
    }

    fn in_words(&self) -> &'static str {
        match self {
            Self::Ok => "Connected: callbacks arrive.",
            Self::Unconfigured => "No callback has ever arrived. Follow the steps below.",
            Self::Silent => {
                "Messages go out and nothing comes back. Check the callback address in the provider's console."
            }
            Self::Refused => {
                "Callbacks arrive and fail the account's authentication. Compare the secret in the console with the configuration."
            }
            Self::Paused { .. } => {
                "The provider refused the account. Nothing is sent until you resume it."
            }
            Self::Removed => "No longer configured. Its callback address still takes what arrives.",
        }
    }

    fn tone(&self) -> &'static str {
        match self {
            Self::Ok => "good",
            Self::Unconfigured | Self::Silent => "warn",
            Self::Refused | Self::Paused { .. } => "bad",
            Self::Removed => "plain",
        }
    }
}

/// One account as it stands.
#[derive(Clone, Debug)]
pub struct AccountStanding<'a> {
    /// Its id.
    pub id: AccountId,
    /// Its provider.
    pub provider: ProviderId,
    /// Business numbers.
    pub senders: &'a [String],
    /// Live or dry-run.
    pub mode: Mode,
    /// The address for the provider's console.
    pub callback_url: &'a str,
    /// Steps for the console, `{url}` standing for the address.
    pub setup: &'a [&'a str],
    /// How it is doing.
    pub health: Health,
    /// When the last callback came.
    pub last_callback_at: Option<DateTime<Utc>>,
    /// When the previous generation of the address was last used.
    pub old_address_at: Option<DateTime<Utc>>,
}

/// Whether providers can reach us at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// `public_url` names a host of the internet, as far as one can tell.
    Public,
    /// `public_url` is this machine.
    Loopback,
}

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "accounts.html")]
pub struct AccountsPage {
    frame: Frame,
    cards: Vec<AccountCard>,
    reach: Reach,
}

#[derive(Clone, Debug)]
struct AccountCard {
    id: String,
    provider: &'static str,
    health: &'static str,
    health_words: &'static str,
    tone: &'static str,
    paused: Option<(String, Moment)>,
    callback_url: Option<String>,
    steps: Vec<Vec<StepPart>>,
    steps_open: bool,
    senders: Vec<String>,
    dry_run: bool,
    last_callback: Option<(Moment, String)>,
    old_address: Option<Moment>,
    messages: String,
    callbacks: String,
    resume: bool,
}

/// A piece of a step: words, or the callback address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum StepPart {
    Words(String),
    Address(String),
}

impl AccountsPage {
    /// The page of all accounts as `viewer` may see them.
    pub fn new(
        accounts: &[AccountStanding<'_>],
        reach: Reach,
        viewer: Visibility,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            frame: Frame::inside(Section::Accounts, "Accounts", Refresh::Live),
            cards: accounts
                .iter()
                .map(|account| AccountCard::new(account, viewer, now))
                .collect(),
            reach,
        }
    }
}

impl AccountCard {
    fn new(account: &AccountStanding<'_>, viewer: Visibility, now: DateTime<Utc>) -> Self {
        let operator = viewer == Visibility::Full;
        let address = if operator {
            account.callback_url
        } else {
            "the callback URL"
        };
        Self {
            id: account.id.to_string(),
            provider: account.provider.title(),
            health: account.health.as_str(),
            health_words: account.health.in_words(),
            tone: account.health.tone(),
            paused: match &account.health {
                Health::Paused { reason, since } => {
                    Some((viewer.quoted(reason), Moment::new(*since)))
                }
                _ => None,
            },
            callback_url: operator.then(|| account.callback_url.to_owned()),
            steps: account
                .setup
                .iter()
                .map(|step| step_parts(step, address))
                .collect(),
            steps_open: account.health == Health::Unconfigured,
            senders: account
                .senders
                .iter()
                .map(|number| viewer.phone(number))
                .collect(),
            dry_run: account.mode == Mode::DryRun,
            last_callback: account
                .last_callback_at
                .map(|at| (Moment::new(at), ago(now - at))),
            old_address: account.old_address_at.map(Moment::new),
            messages: format!("/messages?account={}", account.id),
            callbacks: format!("/callbacks?account={}", account.id),
            resume: operator && matches!(account.health, Health::Paused { .. }),
        }
    }
}

fn step_parts(step: &str, address: &str) -> Vec<StepPart> {
    let mut parts = Vec::new();
    for (place, words) in step.split("{url}").enumerate() {
        if place > 0 {
            parts.push(StepPart::Address(address.to_owned()));
        }
        if !words.is_empty() {
            parts.push(StepPart::Words(visible_line(words)));
        }
    }
    parts
}
