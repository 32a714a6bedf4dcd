//! `/accounts`: is each account connected? Callback URL to copy, steps for the provider's console,
//! health.

use std::str;

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};
use url::{Host, Url};

use crate::db;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::domain::provider_account::AccountMode;
use crate::domain::scope::{Caller, Visibility};
use crate::providers;
use crate::reporting::account_health::{self, AccountStatus, Health};
use crate::services::Services;
use crate::store::Store;
use crate::store::messages::MessageFilter;
use crate::web::dashboard::event_rows::{self, EventRow, LatestEvents};
use crate::web::dashboard::number_format::ago;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, respond};
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::visible_text::visible_line;
use crate::web::error::ApiError;

pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let accounts = account_health::list_accounts(&services).await?;
    let mut shown = AccountsPage::new(
        &accounts,
        &event_rows::list_latest(&services.store, &accounts).await?,
        PublicUrlReach::of_url(&services.config.public_url),
        caller.visibility(),
        services.clock.now(),
    );
    for card in &mut shown.cards {
        if let Some(set_up) = &mut card.set_up {
            set_up.message = find_latest_message(&services.store, &card.account).await?;
        }
    }
    respond(&services, shown).await
}

/// Page and state.
async fn find_latest_message(
    store: &Store,
    account: &AccountId,
) -> Result<Option<(String, &'static str)>, db::Error> {
    let filter = MessageFilter {
        account: Some(account.clone()),
        origin: Some(Origin::Api),
        ..MessageFilter::default()
    };
    let page = store.list_messages(&filter, None, 1).await?;
    Ok(page
        .messages
        .first()
        .map(|message| (format!("/messages/{}", message.id), message.state.label())))
}

/// What to add to the configuration, by provider.
pub const SNIPPETS: [(&str, &str); 4] = [
    (
        "Kaleyra",
        r#"[[accounts]]
id = "kaleyra-in"
provider = "kaleyra"
region = "in"
sid = "HXAP1234567890IN"
api_key = "env:KALEYRA_API_KEY"
sender = "+918600000000""#,
    ),
    (
        "LancePilot",
        r#"[[accounts]]
id = "lancepilot-br"
provider = "lancepilot"
workspace = "0b7d2a4e-94c1-4b57-8a54-7f1f3f6f9f01"
token = "env:LANCEPILOT_TOKEN""#,
    ),
    (
        "Sobot",
        r#"[[accounts]]
id = "sobot-main"
provider = "sobot"
api_key = "env:SOBOT_API_KEY"
api_secret = "env:SOBOT_API_SECRET""#,
    ),
    (
        "Zixflow",
        r#"[[accounts]]
id = "zixflow-main"
provider = "zixflow"
phone_id = "104000000000000"
token = "env:ZIXFLOW_TOKEN""#,
    ),
];

fn health_texts(account: &AccountStatus) -> (&'static str, &'static str, &'static str) {
    if account.mode.is_none() {
        return (
            "removed",
            "No longer configured. Callbacks to its URL are still stored.",
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
        Health::Failing(_) => (
            word,
            "More messages fail than usual. The overview lists the reasons.",
            "bad",
        ),
        Health::Slow(_) => (
            word,
            "Messages take longer than usual to be delivered.",
            "warn",
        ),
        Health::Silent(_) => (
            word,
            "Messages are sent, but no callbacks arrive. Check the callback URL in the provider's console.",
            "warn",
        ),
        Health::Refused => (
            word,
            "Callbacks arrive but fail the account's authentication. Compare the secret in the console with the configuration.",
            "bad",
        ),
        Health::Paused { .. } => (word, "Nothing is sent until you resume the account.", "bad"),
        Health::Tripped(_) => (
            word,
            "Submissions failed one after another. Single messages test whether the provider accepts again; then sending continues.",
            "bad",
        ),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PublicUrlReach {
    /// The host may be reachable from the internet.
    Public,
    Loopback,
}

impl PublicUrlReach {
    pub fn of_url(public_url: &str) -> Self {
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

#[derive(Template, Clone, Debug)]
#[template(path = "accounts.html")]
pub struct AccountsPage {
    pub(super) frame: Frame,
    cards: Vec<AccountCard>,
    reach: PublicUrlReach,
    /// Whether the viewer may check the public URL.
    can_check: bool,
}

#[derive(Clone, Debug)]
struct AccountCard {
    account: AccountId,
    /// Until the first callback.
    set_up: Option<SetUp>,
    id: String,
    provider: &'static str,
    health: &'static str,
    health_text: &'static str,
    tone: &'static str,
    paused: Option<(String, TimeElement)>,
    /// Reason, last answer, since when, next probe.
    tripped: Option<(String, String, TimeElement, TimeElement)>,
    /// Rates, as configured and now.
    rate: Option<String>,
    slowed: Option<(String, TimeElement)>,
    /// Where the form that pauses the account goes.
    pause: Option<String>,
    callback_url: Option<String>,
    /// The form of a message of this account.
    test_message: Option<String>,
    steps: Vec<Vec<StepPart>>,
    steps_open: bool,
    senders: Vec<String>,
    dry_run: bool,
    last_callback: Option<(TimeElement, String)>,
    old_address: Option<TimeElement>,
    warnings: Vec<(String, TimeElement)>,
    messages: String,
    callbacks: String,
    events: Vec<EventRow>,
    resume: bool,
}

/// How far the set-up of an account is from which no callback ever came.
#[derive(Clone, Debug)]
struct SetUp {
    /// The provider cannot reach the callback URL.
    is_local: bool,
    /// Page and state of the latest message.
    message: Option<(String, &'static str)>,
}

/// Part of a set-up step. `CallbackUrl` replaces `{url}`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum StepPart {
    Text(String),
    CallbackUrl(String),
}

impl AccountsPage {
    pub fn new(
        accounts: &[AccountStatus],
        events: &LatestEvents,
        reach: PublicUrlReach,
        viewer: Visibility,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            frame: Frame::in_section(NavigationSection::Accounts, "Accounts", Refresh::Live),
            cards: accounts
                .iter()
                .map(|account| AccountCard::new(account, events, reach, viewer, now))
                .collect(),
            reach,
            can_check: viewer == Visibility::Full,
        }
    }
}

impl AccountCard {
    fn new(
        account: &AccountStatus,
        events: &LatestEvents,
        reach: PublicUrlReach,
        viewer: Visibility,
        now: DateTime<Utc>,
    ) -> Self {
        let events = events.get(&account.id).map_or(&[][..], Vec::as_slice);
        let operator = viewer == Visibility::Full;
        let address = if operator {
            account.callback_url.as_str()
        } else {
            "the callback URL"
        };
        let (health, health_text, tone) = health_texts(account);
        let setup = providers::get(account.provider).setup();
        let is_led = operator && account.mode.is_some() && account.last_callback_at.is_none();
        Self {
            account: account.id.clone(),
            set_up: is_led.then_some(SetUp {
                is_local: reach == PublicUrlReach::Loopback,
                message: None,
            }),
            id: account.id.to_string(),
            provider: account.provider.title(),
            health,
            health_text,
            tone,
            paused: match &account.health {
                Health::Paused { reason, since } => {
                    Some((viewer.quoted(reason), TimeElement::new(*since)))
                }
                _ => None,
            },
            tripped: match &account.health {
                Health::Tripped(trip) => Some((
                    trip.reason.clone(),
                    viewer.quoted(&trip.last_reply),
                    TimeElement::new(trip.since),
                    TimeElement::new(trip.next_probe_at),
                )),
                _ => None,
            },
            rate: rate_text(account),
            slowed: account.slowdown.as_ref().map(|slowdown| {
                (
                    viewer.quoted(&slowdown.reason),
                    TimeElement::new(slowdown.since),
                )
            }),
            pause: (operator
                && account.mode.is_some()
                && !matches!(account.health, Health::Paused { .. }))
            .then(|| format!("/accounts/{}/pause", account.id)),
            callback_url: operator.then(|| account.callback_url.clone()),
            test_message: (operator && account.mode.is_some())
                .then(|| format!("/send?account={}", account.id)),
            steps: setup.iter().map(|step| step_parts(step, address)).collect(),
            steps_open: account.health == Health::Unconfigured,
            senders: account
                .senders
                .iter()
                .map(|number| viewer.phone(number))
                .collect(),
            dry_run: account.mode == Some(AccountMode::DryRun),
            last_callback: account
                .last_callback_at
                .map(|at| (TimeElement::new(at), ago(now - at))),
            old_address: account.old_address_at.map(TimeElement::new),
            warnings: account
                .warnings
                .iter()
                .map(|warning| {
                    (
                        warning.message.clone(),
                        TimeElement::new(warning.last_seen_at),
                    )
                })
                .collect(),
            messages: format!("/messages?account={}", account.id),
            callbacks: format!("/callbacks?account={}", account.id),
            events: events
                .iter()
                .map(|event| EventRow::new(event, viewer))
                .collect(),
            resume: operator
                && matches!(account.health, Health::Paused { .. } | Health::Tripped(_)),
        }
    }
}

fn rate_text(account: &AccountStatus) -> Option<String> {
    let effective = account.effective_rate?;
    let limit = account.rate.map(|rate| format!(", configured {rate}"));
    Some(match account.slowdown {
        Some(_) => format!("{effective:.1} a second{}", limit.unwrap_or_default()),
        None => format!("{effective} a second"),
    })
}

fn step_parts(step: &str, address: &str) -> Vec<StepPart> {
    let mut parts = Vec::new();
    for (index, text) in step.split("{url}").enumerate() {
        if index > 0 {
            parts.push(StepPart::CallbackUrl(address.to_owned()));
        }
        if !text.is_empty() {
            parts.push(StepPart::Text(visible_line(text)));
        }
    }
    parts
}

impl FramedPage for AccountsPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
