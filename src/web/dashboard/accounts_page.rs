//! `/accounts`: is each account connected? Callback URL to copy, steps for the provider's console,
//! health.

use std::str;

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};

use crate::config::{Config, DEFAULT_FILE, Reachability, are_providers_local, reachability};
use crate::domain::account_event::{AccountEvent, AccountEventKind};
use crate::domain::ids::AccountId;
use crate::domain::paused_by::PausedBy;
use crate::domain::provider_account::AccountMode;
use crate::domain::scope::{Caller, Visibility};
use crate::providers;
use crate::reporting::account_health::{self, AccountStatus, Health};
use crate::reporting::adverse_events;
use crate::reporting::number_format::ago;
use crate::services::Services;
use crate::web::dashboard::account_set_up::{AccountSetUp, config_file};
use crate::web::dashboard::event_rows::{self, EventRow, LatestEvents};
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, respond};
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::visible_text::visible_line;
use crate::web::error::ApiError;

pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let page = load(&services, &caller).await?;
    respond(&services, page).await
}

pub(super) async fn load(services: &Services, caller: &Caller) -> Result<AccountsPage, ApiError> {
    let accounts = account_health::list_accounts(services).await?;
    let mut shown = AccountsPage::new(
        &accounts,
        &event_rows::list_latest(&services.store, &accounts).await?,
        find_reach(&services.config),
        caller.visibility(),
        services.clock.now(),
    );
    if let Some(file) = config_file(services).filter(|_| shown.can_check) {
        shown.file = file;
    }
    let ids: Vec<AccountId> = accounts.iter().map(|it| it.id.clone()).collect();
    let now = services.clock.now();
    for notice in adverse_events::find(&services.store, &ids, now)
        .await?
        .values()
    {
        shown.show_notice(notice);
    }
    for card in &mut shown.cards {
        if let Some(set_up) = &mut card.set_up {
            set_up.load(services, &card.account).await?;
        }
    }
    Ok(shown)
}

/// From where the callback URLs can be reached. A local address is no obstacle if the providers are
/// local, too.
fn find_reach(config: &Config) -> Reachability {
    if are_providers_local(&config.accounts) {
        Reachability::Public
    } else {
        reachability(&config.public_url)
    }
}

/// The tone of an account without problems.
const HEALTHY: &str = "good";

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
        Health::Ok => (word, "Connected: callbacks arrive.", HEALTHY),
        Health::Unconfigured => (
            "no callbacks yet",
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
        Health::Paused(ref pause) => (
            word,
            match pause.by {
                PausedBy::Operator => "Nothing is sent until you resume the account.",
                PausedBy::Provider => {
                    "The provider rejects the account or its messages. Correct the cause with the provider or in the configuration, then resume the account."
                }
            },
            "bad",
        ),
        Health::Tripped(_) => (
            word,
            "Submissions failed one after another. Single messages test whether the provider accepts again; then sending continues.",
            "bad",
        ),
    }
}

#[derive(Template, Clone, Debug)]
#[template(path = "accounts.html")]
pub struct AccountsPage {
    pub(super) frame: Frame,
    cards: Vec<AccountCard>,
    reach: Reachability,
    /// The configuration file.
    file: String,
    /// Whether the viewer may check the public URL.
    can_check: bool,
}

#[derive(Clone, Debug)]
struct AccountCard {
    account: AccountId,
    /// Present until the first callback.
    set_up: Option<AccountSetUp>,
    id: String,
    provider: &'static str,
    health: &'static str,
    health_text: &'static str,
    tone: &'static str,
    paused: Option<(String, TimeElement)>,
    /// Reason, last reply, since when, time of the next test message.
    tripped: Option<(String, String, TimeElement, TimeElement)>,
    /// The current rate, and the configured one if the account is slowed down.
    rate: Option<String>,
    slowed: Option<(String, TimeElement)>,
    /// Where the form that pauses the account goes.
    pause: Option<String>,
    refused_pause: Option<RefusedPause>,
    callback_url: Option<String>,
    /// URL of `/send` with this account chosen.
    test_message: Option<String>,
    steps: Vec<Vec<StepPart>>,
    steps_open: bool,
    senders: Vec<String>,
    dry_run: bool,
    last_callback: Option<(TimeElement, String)>,
    old_url_used_at: Option<TimeElement>,
    warnings: Vec<(String, TimeElement)>,
    messages: String,
    callbacks: String,
    events: Vec<EventRow>,
    resume: bool,
}

/// A reason that was typed, and what is wrong with it.
#[derive(Clone, Debug)]
struct RefusedPause {
    reason: String,
    error: String,
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
        reach: Reachability,
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
            file: DEFAULT_FILE.to_owned(),
            can_check: viewer == Visibility::Full,
        }
    }
}

impl AccountsPage {
    /// Shows the pause form again, with the reason that was typed and its error.
    pub(super) fn refuse_pause(&mut self, account: &AccountId, reason: &str, error: &str) {
        let mut cards = self.cards.iter_mut();
        if let Some(card) = cards.find(|card| card.account == *account) {
            card.refused_pause = Some(RefusedPause {
                reason: reason.to_owned(),
                error: error.to_owned(),
            });
        }
    }

    /// Shows that the quality rating or limit of an account was lowered. Does nothing if the account has a
    /// problem already.
    pub fn show_notice(&mut self, notice: &AccountEvent) {
        let (word, text) = match notice.kind {
            AccountEventKind::Quality => (
                "quality lowered",
                "Callbacks arrive, but the provider lowered the quality rating: recipients block or report the messages. The account events below say when.",
            ),
            AccountEventKind::Limit => (
                "limit lowered",
                "Callbacks arrive, but the provider lowered the messaging limit. The account events below say when.",
            ),
            _ => return,
        };
        let cards = self.cards.iter_mut();
        for card in cards.filter(|card| card.account == notice.account && card.tone == HEALTHY) {
            (card.health, card.health_text, card.tone) = (word, text, "warn");
        }
    }
}

impl AccountCard {
    fn new(
        account: &AccountStatus,
        events: &LatestEvents,
        reach: Reachability,
        viewer: Visibility,
        now: DateTime<Utc>,
    ) -> Self {
        let events = events.get(&account.id).map_or(&[][..], Vec::as_slice);
        let is_operator = viewer == Visibility::Full;
        let callback_url = if is_operator {
            account.callback_url.as_str()
        } else {
            "the callback URL"
        };
        let (health, health_text, tone) = health_texts(account);
        let steps = providers::get(account.provider).setup();
        let needs_set_up =
            is_operator && account.mode.is_some() && account.last_callback_at.is_none();
        Self {
            account: account.id.clone(),
            set_up: needs_set_up.then(|| AccountSetUp::new(reach != Reachability::Public)),
            id: account.id.to_string(),
            provider: account.provider.title(),
            health,
            health_text,
            tone,
            paused: match &account.health {
                Health::Paused(pause) => {
                    Some((viewer.quoted(&pause.reason), TimeElement::new(pause.since)))
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
            pause: (is_operator
                && account.mode.is_some()
                && !matches!(account.health, Health::Paused(_)))
            .then(|| format!("/accounts/{}/pause", account.id)),
            refused_pause: None,
            callback_url: is_operator.then(|| account.callback_url.clone()),
            test_message: (is_operator && account.mode.is_some())
                .then(|| format!("/send?account={}", account.id)),
            steps: steps
                .iter()
                .map(|step| step_parts(step, callback_url))
                .collect(),
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
            old_url_used_at: account.old_address_at.map(TimeElement::new),
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
            resume: is_operator && matches!(account.health, Health::Paused(_) | Health::Tripped(_)),
        }
    }
}

fn rate_text(account: &AccountStatus) -> Option<String> {
    let effective = account.effective_rate?;
    let limit = account.rate.map(|rate| format!(", configured {rate}"));
    Some(match account.slowdown {
        Some(_) => format!(
            "{effective:.1} messages a second{}",
            limit.unwrap_or_default()
        ),
        None => format!("{effective} messages a second"),
    })
}

fn step_parts(step: &str, callback_url: &str) -> Vec<StepPart> {
    let mut parts = Vec::new();
    for (index, text) in step.split("{url}").enumerate() {
        if index > 0 {
            parts.push(StepPart::CallbackUrl(callback_url.to_owned()));
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
