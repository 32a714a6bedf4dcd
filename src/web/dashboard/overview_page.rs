//! `/`: is everything flowing? Counts per state and account, failures by reason, open problems.
//!
//! **Invariant:** a count that is a link leads to the list of exactly what it counts: the same
//! days, the same origin.

use std::collections::BTreeMap;

use askama::Template;
use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;
use crate::store::reports::{Counts, CountsByState, Problems};
use crate::web::dashboard::failure_reasons::{FailureRow, failure_rows};
use crate::web::dashboard::funnel::{FunnelStep, StateTotals};
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::number_format::{count, counted, percent};
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::problem_counts::{ProblemRow, problem_rows, total_problems};
use crate::web::dashboard::state_pill::StatePill;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OverviewPeriod {
    Day,
    /// Today and the six days before.
    #[default]
    Week,
    /// Today and the 29 days before.
    Month,
}

impl OverviewPeriod {
    const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// Parses `days=1`, `7` or `30`; anything else is a week.
    pub fn parse(query: &str) -> Self {
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "days")
            .and_then(|(_, value)| {
                Self::ALL
                    .into_iter()
                    .find(|period| period.days().to_string() == value)
            })
            .unwrap_or_default()
    }

    pub fn since(self, now: DateTime<Utc>, zone: Tz) -> NaiveDate {
        let today = now.with_timezone(&zone).date_naive();
        today
            .checked_sub_days(Days::new(self.days() - 1))
            .unwrap_or(today)
    }

    fn days(self) -> u64 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Day => "today",
            Self::Week => "in the last 7 days",
            Self::Month => "in the last 30 days",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Day => "today",
            Self::Week => "7 days",
            Self::Month => "30 days",
        }
    }
}

#[derive(Clone, Debug)]
pub struct OverviewInput<'a> {
    /// Every known account.
    pub providers: &'a BTreeMap<AccountId, ProviderId>,
    pub counts: &'a Counts,
    /// Present problems, whenever they began.
    pub problems: &'a Problems,
    /// Number of alarms that the frame shows.
    pub alarms: usize,
    pub period: OverviewPeriod,
    /// The first day of the period.
    pub since: NaiveDate,
}

#[derive(Template, Clone, Debug)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    pub(super) frame: Frame,
    headline: String,
    has_no_problems: bool,
    period: &'static str,
    periods: Vec<PeriodLink>,
    total: u64,
    observed: u64,
    dry_run: u64,
    tiles: Vec<SummaryTile>,
    funnel: Vec<FunnelStep>,
    states: Vec<StateCount>,
    accounts: Vec<AccountRow>,
    failures: Vec<FailureRow>,
    problems: Vec<ProblemRow>,
}

#[derive(Clone, Debug)]
struct PeriodLink {
    label: &'static str,
    href: String,
    current: bool,
}

#[derive(Clone, Debug)]
struct SummaryTile {
    label: &'static str,
    value: String,
    note: String,
    tone: &'static str,
    href: Option<String>,
}

#[derive(Clone, Debug)]
struct StateCount {
    pill: StatePill,
    tooltip: &'static str,
    count: String,
    share: String,
    href: String,
}

#[derive(Clone, Debug)]
struct AccountRow {
    account: String,
    provider: &'static str,
    href: String,
    cells: Vec<AccountCell>,
}

#[derive(Clone, Debug)]
struct AccountCell {
    label: &'static str,
    count: String,
    href: Option<String>,
    alarming: bool,
}

impl OverviewPage {
    pub fn new(input: &OverviewInput<'_>) -> Self {
        let sums = StateTotals::sum(input.counts.sent.values());
        let list = MessageListUrl {
            since: Some(input.since),
            // Without observed and dry-run messages, the unfiltered list holds the same messages.
            origin: (!input.counts.observed.is_empty() || !input.counts.dry_run.is_empty())
                .then_some(Origin::Api),
            ..MessageListUrl::default()
        };
        let problems = problem_rows(input.problems);
        let observed = StateTotals::sum(input.counts.observed.values()).total();
        let dry_run = StateTotals::sum(input.counts.dry_run.values()).total();
        Self {
            frame: Frame::in_section(NavigationSection::Overview, "Overview", Refresh::Live),
            headline: headline(
                sums.total() + observed,
                total_problems(input.problems)
                    .saturating_add(u64::try_from(input.alarms).unwrap_or_default()),
            ),
            has_no_problems: problems.is_empty() && input.alarms == 0,
            period: input.period.text(),
            periods: period_links(input.period),
            total: sums.total(),
            observed,
            dry_run,
            tiles: tiles(&sums, &list, input.period.text()),
            funnel: sums.funnel(),
            states: states(&sums, &list),
            accounts: account_rows(input, &list),
            failures: failure_rows(input.counts, input.providers, &list),
            problems,
        }
    }
}

fn headline(messages: u64, problems: u64) -> String {
    match (messages, problems) {
        (0, 0) => "No messages".to_owned(),
        (_, 0) => "No open problems".to_owned(),
        (_, 1) => "1 problem needs attention".to_owned(),
        (_, several) => format!("{} problems need attention", count(several)),
    }
}

fn period_links(current: OverviewPeriod) -> Vec<PeriodLink> {
    OverviewPeriod::ALL
        .into_iter()
        .map(|period| PeriodLink {
            label: period.label(),
            href: match period {
                OverviewPeriod::Week => "/".to_owned(),
                other => format!("/?days={}", other.days()),
            },
            current: period == current,
        })
        .collect()
}

fn tiles(sums: &StateTotals, list: &MessageListUrl, period: &str) -> Vec<SummaryTile> {
    let total = sums.total();
    let share = |label, tone, number, href| SummaryTile {
        label,
        value: percent(number, total),
        note: counted(number, "message", "messages"),
        tone,
        href,
    };
    let failed = sums.get(DeliveryState::Failed);
    let queued = sums.get(DeliveryState::Queued) + sums.get(DeliveryState::Sending);
    let href = |states: &[DeliveryState]| Some(list.with_states(states).href());
    vec![
        SummaryTile {
            label: "Accepted",
            value: count(total),
            note: period.to_owned(),
            tone: "plain",
            href: Some(list.href()),
        },
        share(
            "Delivered",
            "delivered",
            sums.at_least(DeliveryState::Delivered),
            href(&[
                DeliveryState::Delivered,
                DeliveryState::Read,
                DeliveryState::Played,
            ]),
        ),
        share(
            "Read",
            "read",
            sums.at_least(DeliveryState::Read),
            href(&[DeliveryState::Read, DeliveryState::Played]),
        ),
        share(
            "Failed",
            if failed > 0 { "failed" } else { "plain" },
            failed,
            href(&[DeliveryState::Failed]),
        ),
        SummaryTile {
            label: "Queued",
            value: count(queued),
            note: "not submitted yet".to_owned(),
            tone: "plain",
            href: href(&[DeliveryState::Queued, DeliveryState::Sending]),
        },
    ]
}

fn states(sums: &StateTotals, list: &MessageListUrl) -> Vec<StateCount> {
    DeliveryState::ALL
        .into_iter()
        .map(|state| (state, sums.get(state)))
        .filter(|(_, number)| *number > 0)
        .map(|(state, number)| StateCount {
            pill: StatePill::new(state),
            tooltip: state.tooltip(),
            count: count(number),
            share: percent(number, sums.total()),
            href: list.with_states(&[state]).href(),
        })
        .collect()
}

fn account_rows(input: &OverviewInput<'_>, list: &MessageListUrl) -> Vec<AccountRow> {
    let played = StateTotals::sum(input.counts.sent.values()).get(DeliveryState::Played) > 0;
    let separate = [
        ("Sent elsewhere", Origin::Observed, &input.counts.observed),
        ("Dry run", Origin::DryRun, &input.counts.dry_run),
    ];
    let empty = CountsByState::new();
    input
        .providers
        .iter()
        .map(|(account, provider)| {
            let totals = |map: &BTreeMap<AccountId, CountsByState>| {
                StateTotals::sum([map.get(account).unwrap_or(&empty)])
            };
            let sent = totals(&input.counts.sent);
            let list = MessageListUrl {
                account: Some(account.clone()),
                ..list.clone()
            };
            let mut cells = vec![AccountCell::new("All", sent.total(), list.href())];
            cells.extend(
                DeliveryState::ALL
                    .into_iter()
                    .filter(|state| played || *state != DeliveryState::Played)
                    .map(|state| AccountCell::of_state(state, sent.get(state), &list)),
            );
            for (label, origin, counts) in separate.iter().filter(|(.., counts)| !counts.is_empty())
            {
                let list = MessageListUrl {
                    origin: Some(*origin),
                    ..list.clone()
                };
                cells.push(AccountCell::new(label, totals(counts).total(), list.href()));
            }
            AccountRow {
                account: account.to_string(),
                provider: provider.title(),
                href: format!("/messages?account={account}"),
                cells,
            }
        })
        .collect()
}

impl AccountCell {
    fn new(label: &'static str, number: u64, href: String) -> Self {
        Self {
            label,
            count: count(number),
            href: (number > 0).then_some(href),
            alarming: false,
        }
    }

    fn of_state(state: DeliveryState, number: u64, list: &MessageListUrl) -> Self {
        let is_problem = matches!(state, DeliveryState::Failed | DeliveryState::Uncertain);
        Self {
            alarming: is_problem && number > 0,
            ..Self::new(state.label(), number, list.with_states(&[state]).href())
        }
    }
}
