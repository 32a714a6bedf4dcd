//! `/accounts`: is it connected? Callback address to copy, steps for the provider's console, health.

use askama::Template;
use chrono::{DateTime, Utc};
use url::{Host, Url};

use crate::domain::access::Visibility;
use crate::domain::provider::Mode;
use crate::providers;
use crate::reporting::account_health::{AccountStanding, Health};
use crate::web::dashboard::figure::ago;
use crate::web::dashboard::frame::{Frame, Refresh, Section};
use crate::web::dashboard::moment::Moment;
use crate::web::dashboard::text::visible_line;

/// What an account's health means, in words, and how alarming it is.
fn health_words(account: &AccountStanding) -> (&'static str, &'static str, &'static str) {
    if account.mode.is_none() {
        return (
            "removed",
            "No longer configured. Its callback address still takes what arrives.",
            "plain",
        );
    }
    let word = account.health.as_str();
    match account.health {
        Health::Ok => (word, "Connected: callbacks arrive.", "good"),
        Health::Unconfigured => (
            word,
            "No callback has ever arrived. Follow the steps below.",
            "warn",
        ),
        Health::Silent => (
            word,
            "Messages go out and nothing comes back. Check the callback address in the provider's console.",
            "warn",
        ),
        Health::Refused => (
            word,
            "Callbacks arrive and fail the account's authentication. Compare the secret in the console with the configuration.",
            "bad",
        ),
        Health::Paused { .. } => (
            word,
            "The provider refused the account. Nothing is sent until you resume it.",
            "bad",
        ),
    }
}

/// Whether providers can reach us at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// `public_url` names a host of the internet, as far as one can tell.
    Public,
    /// `public_url` is this machine.
    Loopback,
}

impl Reach {
    /// Judges a public address by its host.
    pub fn of(public_url: &str) -> Self {
        let loopback = Url::parse(public_url).is_ok_and(|url| match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
            Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        });
        if loopback {
            Self::Loopback
        } else {
            Self::Public
        }
    }
}

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "accounts.html")]
pub struct AccountsPage {
    pub(super) frame: Frame,
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
        accounts: &[AccountStanding],
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
    fn new(account: &AccountStanding, viewer: Visibility, now: DateTime<Utc>) -> Self {
        let operator = viewer == Visibility::Full;
        let address = if operator {
            account.callback_url.as_str()
        } else {
            "the callback URL"
        };
        let (health, health_words, tone) = health_words(account);
        let setup = providers::of(account.provider).setup();
        Self {
            id: account.id.to_string(),
            provider: account.provider.title(),
            health,
            health_words,
            tone,
            paused: match &account.health {
                Health::Paused { reason, since } => {
                    Some((viewer.quoted(reason), Moment::new(*since)))
                }
                _ => None,
            },
            callback_url: operator.then(|| account.callback_url.clone()),
            steps: setup.iter().map(|step| step_parts(step, address)).collect(),
            steps_open: account.health == Health::Unconfigured,
            senders: account
                .senders
                .iter()
                .map(|number| viewer.phone(number))
                .collect(),
            dry_run: account.mode == Some(Mode::DryRun),
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
