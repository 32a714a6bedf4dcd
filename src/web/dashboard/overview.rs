//! `/`: is everything flowing? Counts per state and account, failures by reason, what needs a person.
//!
//! **Invariant:** a count that is a link leads to the list of exactly what it counts: the same days, the same origin.

use std::collections::BTreeMap;

use askama::Template;
use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::domain::delivery::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;
use crate::store::reports::{Counts, CountsByState, Problems};
use crate::web::dashboard::address::MessagesAddress;
use crate::web::dashboard::failures::{FailureRow, failure_rows};
use crate::web::dashboard::figure::{count, counted, percent};
use crate::web::dashboard::frame::{Frame, Refresh, Section};
use crate::web::dashboard::funnel::{FunnelStep, Sums};
use crate::web::dashboard::pill::{StatePill, plain_words};
use crate::web::dashboard::problem::{ProblemRow, problem_rows, total as things};

/// Which days are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Period {
    /// Today.
    Day,
    /// Today and the six days before.
    #[default]
    Week,
    /// Today and the 29 days before.
    Month,
}

impl Period {
    const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// Reads `days=1`, `7` or `30` from a query string; anything else is a week.
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

    /// The first day counted.
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

    fn words(self) -> &'static str {
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

/// All that the overview shows.
#[derive(Clone, Debug)]
pub struct Flow<'a> {
    /// Every account that is configured or was ever heard of.
    pub providers: &'a BTreeMap<AccountId, ProviderId>,
    /// Messages created in the period.
    pub counts: &'a Counts,
    /// What needs a person now, whenever it was created.
    pub problems: &'a Problems,
    /// How many alarms the frame shows.
    pub alarms: usize,
    /// The days that are counted.
    pub period: Period,
    /// The first of them.
    pub since: NaiveDate,
}

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    pub(super) frame: Frame,
    headline: String,
    calm: bool,
    period: &'static str,
    periods: Vec<PeriodLink>,
    total: u64,
    observed: u64,
    dry_run: u64,
    tiles: Vec<Tile>,
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
struct Tile {
    label: &'static str,
    value: String,
    note: String,
    tone: &'static str,
    href: Option<String>,
}

#[derive(Clone, Debug)]
struct StateCount {
    pill: StatePill,
    words: &'static str,
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
    /// The overview of a flow.
    pub fn new(flow: &Flow<'_>) -> Self {
        let sums = Sums::of(flow.counts.sent.values());
        let list = MessagesAddress {
            since: Some(flow.since),
            // Where there is nothing else, the list holds what was sent from here without a filter.
            origin: (!flow.counts.observed.is_empty() || !flow.counts.dry_run.is_empty())
                .then_some(Origin::Api),
            ..MessagesAddress::default()
        };
        let problems = problem_rows(flow.problems);
        let observed = Sums::of(flow.counts.observed.values()).total();
        let dry_run = Sums::of(flow.counts.dry_run.values()).total();
        Self {
            frame: Frame::inside(Section::Overview, "Overview", Refresh::Live),
            headline: headline(
                sums.total() + observed,
                things(flow.problems)
                    .saturating_add(u64::try_from(flow.alarms).unwrap_or_default()),
            ),
            calm: problems.is_empty() && flow.alarms == 0,
            period: flow.period.words(),
            periods: period_links(flow.period),
            total: sums.total(),
            observed,
            dry_run,
            tiles: tiles(&sums, &list, flow.period.words()),
            funnel: sums.funnel(),
            states: states(&sums, &list),
            accounts: account_rows(flow, &list),
            failures: failure_rows(flow.counts, flow.providers, &list),
            problems,
        }
    }
}

fn headline(messages: u64, problems: u64) -> String {
    match (messages, problems) {
        (0, 0) => "Nothing is on its way".to_owned(),
        (_, 0) => "Everything is flowing".to_owned(),
        (_, 1) => "One thing needs a person".to_owned(),
        (_, several) => format!("{} things need a person", count(several)),
    }
}

fn period_links(current: Period) -> Vec<PeriodLink> {
    Period::ALL
        .into_iter()
        .map(|period| PeriodLink {
            label: period.label(),
            href: match period {
                Period::Week => "/".to_owned(),
                other => format!("/?days={}", other.days()),
            },
            current: period == current,
        })
        .collect()
}

fn tiles(sums: &Sums, list: &MessagesAddress, period: &str) -> Vec<Tile> {
    let total = sums.total();
    let share = |label, tone, number, href| Tile {
        label,
        value: percent(number, total),
        note: counted(number, "message", "messages"),
        tone,
        href,
    };
    let failed = sums.get(DeliveryState::Failed);
    let waiting = sums.get(DeliveryState::Queued) + sums.get(DeliveryState::Sending);
    let of = |states: &[DeliveryState]| Some(list.with_states(states).page());
    vec![
        Tile {
            label: "Accepted",
            value: count(total),
            note: period.to_owned(),
            tone: "plain",
            href: Some(list.page()),
        },
        share(
            "On the phone",
            "delivered",
            sums.at_least(DeliveryState::Delivered),
            of(&[
                DeliveryState::Delivered,
                DeliveryState::Read,
                DeliveryState::Played,
            ]),
        ),
        share(
            "Read",
            "read",
            sums.at_least(DeliveryState::Read),
            of(&[DeliveryState::Read, DeliveryState::Played]),
        ),
        share(
            "Failed",
            if failed > 0 { "failed" } else { "plain" },
            failed,
            of(&[DeliveryState::Failed]),
        ),
        Tile {
            label: "Waiting",
            value: count(waiting),
            note: "not handed over yet".to_owned(),
            tone: "plain",
            href: of(&[DeliveryState::Queued, DeliveryState::Sending]),
        },
    ]
}

fn states(sums: &Sums, list: &MessagesAddress) -> Vec<StateCount> {
    DeliveryState::ALL
        .into_iter()
        .map(|state| (state, sums.get(state)))
        .filter(|(_, number)| *number > 0)
        .map(|(state, number)| StateCount {
            pill: StatePill::new(state),
            words: plain_words(state),
            count: count(number),
            share: percent(number, sums.total()),
            href: list.with_states(&[state]).page(),
        })
        .collect()
}

fn account_rows(flow: &Flow<'_>, list: &MessagesAddress) -> Vec<AccountRow> {
    let played = Sums::of(flow.counts.sent.values()).get(DeliveryState::Played) > 0;
    let apart = [
        ("sent elsewhere", Origin::Observed, &flow.counts.observed),
        ("dry run", Origin::DryRun, &flow.counts.dry_run),
    ];
    let nothing = CountsByState::new();
    flow.providers
        .iter()
        .map(|(account, provider)| {
            let of = |map: &BTreeMap<AccountId, CountsByState>| {
                Sums::of([map.get(account).unwrap_or(&nothing)])
            };
            let sent = of(&flow.counts.sent);
            let list = MessagesAddress {
                account: Some(account.clone()),
                ..list.clone()
            };
            let mut cells = vec![AccountCell::new("all", sent.total(), list.page())];
            cells.extend(
                DeliveryState::ALL
                    .into_iter()
                    .filter(|state| played || *state != DeliveryState::Played)
                    .map(|state| AccountCell::of(state, sent.get(state), &list)),
            );
            for (label, origin, counts) in apart.iter().filter(|(.., counts)| !counts.is_empty()) {
                let list = MessagesAddress {
                    origin: Some(*origin),
                    ..list.clone()
                };
                cells.push(AccountCell::new(label, of(counts).total(), list.page()));
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

    fn of(state: DeliveryState, number: u64, list: &MessagesAddress) -> Self {
        let trouble = matches!(state, DeliveryState::Failed | DeliveryState::Uncertain);
        Self {
            alarming: trouble && number > 0,
            ..Self::new(state.as_str(), number, list.with_states(&[state]).page())
        }
    }
}
