//! The most severe current issue in one sentence, and all issues: alarms, and accounts that are
//! paused, stopped, failing, silent or slow, that lose reports, or whose quality rating or limit
//! was lowered.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::db;
use crate::domain::account_event::{AccountEvent, AccountEventKind};
use crate::domain::account_limit::AccountLimit;
use crate::domain::health_thresholds::{
    DeliveryTime, FailedShare, FailureRate, MIN_UNREPORTED, Silence,
};
use crate::domain::ids::AccountId;
use crate::domain::scope::Visibility;
use crate::reporting::account_health::{self, AccountStatus, Health};
use crate::reporting::adverse_events;
use crate::reporting::alarms::{self, Alarm, AlarmKind};
use crate::reporting::lost_reports::{self, LostReportsByAccount};
use crate::reporting::query_values::print_instant;
use crate::services::Services;

/// One thing that is wrong now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issue {
    /// The word of an alarm, of an account's health or of an account event, or `lost_reports`.
    pub kind: &'static str,
    pub account: Option<AccountId>,
    pub text: String,
    /// The page that shows more.
    pub path: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Headline {
    pub text: String,
    /// The worst first; none if everything is healthy.
    pub issues: Vec<Issue>,
}

impl Headline {
    pub fn is_healthy(&self) -> bool {
        self.issues.is_empty()
    }
}

/// The current condition of accounts.
#[derive(Clone, Debug)]
pub struct HeadlineInput {
    pub accounts: Vec<AccountStatus>,
    pub lost_reports: LostReportsByAccount,
    /// The events that lowered a quality rating or a limit.
    pub adverse_events: BTreeMap<AccountId, AccountEvent>,
}

impl HeadlineInput {
    pub async fn load(
        services: &Services,
        limit: &AccountLimit,
        zone: Tz,
    ) -> Result<Self, db::Error> {
        let now = services.clock.now();
        let mut accounts = account_health::list_accounts(services).await?;
        accounts.retain(|account| limit.allows(&account.id));
        let ids: Vec<AccountId> = accounts.iter().map(|it| it.id.clone()).collect();
        Ok(Self {
            accounts,
            lost_reports: lost_reports::find(&services.store, now, zone).await?,
            adverse_events: adverse_events::find(&services.store, &ids, now).await?,
        })
    }
}

/// Summarizes the current alarms and the health of accounts. Times are in `zone`, named only if it
/// is UTC. A caller who is limited to accounts gets only their issues.
pub async fn find(
    services: &Services,
    limit: &AccountLimit,
    zone: Tz,
) -> Result<Headline, db::Error> {
    let input = HeadlineInput::load(services, limit, zone).await?;
    let mut alarms = alarms::list(services);
    alarms.retain(|alarm| match &alarm.account {
        Some(account) => limit.allows(account),
        None => !limit.is_limited(),
    });
    Ok(summarize(&input, alarms, zone))
}

pub fn summarize(input: &HeadlineInput, alarms: Vec<Alarm>, zone: Tz) -> Headline {
    let accounts = &input.accounts;
    let configured = accounts.iter().filter(|account| account.mode.is_some());
    let mut ranked: Vec<(u8, i64, Issue)> = configured
        .flat_map(|account| {
            [
                account_issue(account, zone),
                lost_reports_issue(account, &input.lost_reports),
                input
                    .adverse_events
                    .get(&account.id)
                    .map(|event| event_issue(event, zone)),
            ]
        })
        .flatten()
        .collect();
    ranked.extend(
        alarms
            .into_iter()
            // The health of the account is more detailed.
            .filter(|alarm| alarm.kind != AlarmKind::AccountTripped)
            .map(|alarm| {
                let subject = alarm.account.as_ref().map(|id| format!("{id}: "));
                let rank = match alarm.kind {
                    // Warnings before anything is lost.
                    AlarmKind::Busy | AlarmKind::Budget | AlarmKind::OrphanFlood => 5,
                    _ => 0,
                };
                let issue = Issue {
                    kind: alarm.kind.as_str(),
                    text: format!("{}{}", subject.unwrap_or_default(), alarm.kind.title()),
                    account: alarm.account,
                    path: "/problems".to_owned(),
                };
                (rank, 0, issue)
            }),
    );
    ranked.sort_by_key(|(rank, severity, _)| (*rank, -severity));
    let issues: Vec<Issue> = ranked.into_iter().map(|(_, _, issue)| issue).collect();
    let text = match issues.first() {
        Some(worst) => worst.text.clone(),
        None if accounts.is_empty() => "No account yet".to_owned(),
        None if accounts.iter().all(never_reported) => "No callback has arrived yet".to_owned(),
        None => undecided_text(accounts).unwrap_or_else(|| "All accounts healthy".to_owned()),
    };
    Headline { text, issues }
}

/// For an account of which too few messages failed to call it failing, but too many to call it
/// healthy.
fn undecided_text(accounts: &[AccountStatus]) -> Option<String> {
    let undecided = accounts
        .iter()
        .filter(|account| account.mode.is_some() && account.activity.failures.is_undecided());
    let worst = undecided.max_by_key(|account| account.activity.failures.recent.failed)?;
    let FailedShare { failed, attempted } = worst.activity.failures.recent;
    Some(format!(
        "{}: {failed} of {attempted} failed in the last hour, too few messages to judge",
        worst.id
    ))
}

fn never_reported(account: &AccountStatus) -> bool {
    account.mode.is_none() || account.health == Health::Unconfigured
}

/// The issue of an account, its rank, and its severity within that rank.
fn account_issue(account: &AccountStatus, zone: Tz) -> Option<(u8, i64, Issue)> {
    let id = &account.id;
    let masked = |text: &str| Visibility::Masked.mask_text(text);
    let mut path = format!("/accounts#{id}");
    let (rank, severity, text) = match &account.health {
        Health::Ok => return None,
        Health::Unconfigured => {
            let unreported = account.activity.unreported_since(DateTime::<Utc>::MIN_UTC);
            if unreported < MIN_UNREPORTED {
                return None;
            }
            let text = format!(
                "{id}: no callback was ever received, although {unreported} messages were submitted"
            );
            (3, unreported, text)
        }
        Health::Tripped(trip) => (
            1,
            0,
            format!(
                "{id}: nothing sent since {}, {}",
                clock_time(trip.since, "%H:%M", zone),
                masked(&trip.reason)
            ),
        ),
        Health::Paused(pause) => (
            1,
            0,
            format!(
                "{id}: paused since {}, {}",
                clock_time(pause.since, "%-d %B %H:%M", zone),
                masked(&pause.reason)
            ),
        ),
        Health::Failing(rate) => {
            let since = print_instant(account.activity.since);
            path = format!("/messages?account={id}&state=failed&counted_after={since}");
            let percent = rate.recent.percent().unwrap_or_default();
            (2, percent, failing(id, *rate))
        }
        Health::Refused => (
            3,
            0,
            format!("{id}: callbacks fail the account's authentication"),
        ),
        Health::Silent(silence) => (3, silence.unreported, silent(id, *silence)),
        Health::Slow(time) => (4, 0, slow(id, *time)),
    };
    let issue = Issue {
        kind: account.health.as_str(),
        account: Some(id.clone()),
        text,
        path,
    };
    Some((rank, severity, issue))
}

/// `None` if the account's health already says that reports are missing.
fn lost_reports_issue(
    account: &AccountStatus,
    lost: &LostReportsByAccount,
) -> Option<(u8, i64, Issue)> {
    let is_known = matches!(
        account.health,
        Health::Unconfigured | Health::Refused | Health::Silent(_)
    );
    let (id, of_account) = lost.accounts.get_key_value(&account.id)?;
    if is_known || !of_account.is_unusual() {
        return None;
    }
    let percent = of_account.recent.percent().unwrap_or_default();
    let usually = of_account.usual.percent();
    let usually = usually.map(|usual| format!(" (usually {usual} %)"));
    let (since, until) = (print_instant(lost.since), print_instant(lost.until));
    let issue = Issue {
        kind: "lost_reports",
        account: Some(id.clone()),
        text: format!(
            "{id}: no report on {percent} % of the messages since yesterday{}",
            usually.unwrap_or_default()
        ),
        path: format!(
            "/messages?account={id}&state=submitted&counted_after={since}&counted_before={until}"
        ),
    };
    Some((4, of_account.recent.unreported, issue))
}

/// `lancepilot-br: quality rating flagged on 25 November`
fn event_issue(event: &AccountEvent, zone: Tz) -> (u8, i64, Issue) {
    let id = &event.account;
    let mut title = event.title.replacen(": ", " ", 1);
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    let now = event
        .current
        .as_ref()
        .filter(|_| event.kind == AccountEventKind::Limit)
        .map(|limit| format!(", now {limit}"));
    let issue = Issue {
        kind: event.kind.as_str(),
        account: Some(id.clone()),
        text: format!(
            "{id}: {} on {}{}",
            Visibility::Masked.mask_text(&title),
            event.at.with_timezone(&zone).format("%-d %B"),
            Visibility::Masked.mask_text(&now.unwrap_or_default())
        ),
        path: format!("/accounts#{id}"),
    };
    (5, 0, issue)
}

fn clock_time(at: DateTime<Utc>, format: &str, zone: Tz) -> String {
    let text = at.with_timezone(&zone).format(format);
    // The API names its zone; a page names it once for all times.
    let name = if zone == Tz::UTC { " UTC" } else { "" };
    format!("{text}{name}")
}

pub(crate) fn failing(id: &AccountId, rate: FailureRate) -> String {
    let percent = rate.recent.percent().unwrap_or_default();
    match rate.usual.percent() {
        Some(usual) => format!("{id}: {percent} % failed in the last hour (usually {usual} %)"),
        None => format!("{id}: {percent} % failed in the last hour"),
    }
}

pub(crate) fn silent(id: &AccountId, silence: Silence) -> String {
    let lasting = span(silence.lasting);
    match silence.unreported {
        0 => format!("{id}: nothing received for {lasting}, and reports are overdue"),
        1 => format!("{id}: nothing received for {lasting} while 1 message was sent"),
        several => {
            format!("{id}: nothing received for {lasting} while {several} messages were sent")
        }
    }
}

fn slow(id: &AccountId, time: DeliveryTime) -> String {
    let recent = span(millis(time.recent_millis));
    match time.usual_millis {
        Some(usual) => format!(
            "{id}: half take {recent} to be delivered, usually {}",
            span(millis(usual))
        ),
        None => format!("{id}: half take {recent} to be delivered"),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a time between two callbacks"
)]
fn millis(millis: f64) -> TimeDelta {
    TimeDelta::milliseconds(millis as i64)
}

/// Rounded, in its largest fitting unit.
fn span(time: TimeDelta) -> String {
    let rounded = |unit: i64| (time.num_milliseconds() + unit / 2) / unit;
    match time.num_seconds() {
        ..1 => format!("{} ms", time.num_milliseconds()),
        1..120 => format!("{} s", rounded(1_000)),
        120..7_200 => format!("{} min", rounded(60_000)),
        7_200..172_800 => format!("{} h", rounded(3_600_000)),
        _ => format!("{} days", rounded(86_400_000)),
    }
}
