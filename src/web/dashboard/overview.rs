//! `/`: is everything flowing? Counts per state and account, failures by reason, what needs a person.
//!
//! Every count is a link to the list it counts; where the two disagree, one of them is wrong.

use askama::Template;

use crate::domain::delivery::DeliveryState;
use crate::domain::dictionary::explain;
use crate::domain::failure::Failure;
use crate::domain::ids::AccountId;
use crate::domain::provider::ProviderId;
use crate::web::dashboard::address::MessagesAddress;
use crate::web::dashboard::figure::{count, counted, percent, permille};
use crate::web::dashboard::frame::{Frame, Refresh, Section};
use crate::web::dashboard::pill::{StatePill, plain_words};
use crate::web::dashboard::text::visible_line;

/// How many messages of one account are in each state now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountCounts {
    /// The account.
    pub account: AccountId,
    /// Its provider.
    pub provider: ProviderId,
    /// Messages by the place of their state in [`DeliveryState::ALL`].
    pub states: [u64; 10],
}

impl AccountCounts {
    fn total(&self) -> u64 {
        self.states.iter().sum()
    }
}

/// How often one reason made messages fail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailureCount {
    /// Whose code it is.
    pub provider: ProviderId,
    /// Code and words of one such failure.
    pub failure: Failure,
    /// Messages that failed for it.
    pub count: u64,
}

/// Something that needs a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    /// Handed over, outcome unknown.
    Uncertain,
    /// Nothing heard in time.
    Overdue,
    /// On the phone and reported as failed.
    Conflicts,
    /// Accounts that send nothing.
    PausedAccounts,
    /// Callbacks nobody could read.
    Quarantine,
    /// Callbacks that failed their account's authentication.
    Unverified,
    /// Reports about messages nobody knows.
    Orphans,
    /// Ids claimed by two messages.
    IdConflicts,
}

impl Problem {
    fn title(self) -> &'static str {
        match self {
            Self::Uncertain => "Outcome unknown",
            Self::Overdue => "Overdue",
            Self::Conflicts => "Delivered and failed",
            Self::PausedAccounts => "Paused accounts",
            Self::Quarantine => "Unreadable callbacks",
            Self::Unverified => "Unverified callbacks",
            Self::Orphans => "Unmatched reports",
            Self::IdConflicts => "Ids claimed twice",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Uncertain => {
                "Handed over, no clear answer. Never repeated by itself: look, then resend or mark as failed."
            }
            Self::Overdue => {
                "The provider took them, and nothing was heard within the account's deadline."
            }
            Self::Conflicts => {
                "One report says on the phone, another says failed; several devices can do this."
            }
            Self::PausedAccounts => {
                "The provider refused the account. Its messages wait until you resume it."
            }
            Self::Quarantine => {
                "A provider said something that could not be understood. It is kept and can be replayed."
            }
            Self::Unverified => {
                "They came to the right address without the right secret and are applied only when released."
            }
            Self::Orphans => {
                "Providers report on messages that were not sent from here, or not matched yet."
            }
            Self::IdConflicts => {
                "A provider gave two messages the same id; the first one keeps it."
            }
        }
    }

    fn address(self) -> Option<String> {
        let list = MessagesAddress::default();
        match self {
            Self::Uncertain => Some(list.with_state(Some(DeliveryState::Uncertain)).page()),
            Self::Overdue => Some(
                MessagesAddress {
                    overdue: true,
                    ..list
                }
                .page(),
            ),
            Self::Conflicts => Some(
                MessagesAddress {
                    conflict: true,
                    ..list
                }
                .page(),
            ),
            Self::PausedAccounts => Some("/accounts".to_owned()),
            Self::Quarantine => Some("/callbacks?outcome=quarantined".to_owned()),
            Self::Unverified => Some("/callbacks?outcome=unverified".to_owned()),
            Self::Orphans | Self::IdConflicts => None,
        }
    }
}

/// All that the overview shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Flow {
    /// Every account that is configured or has messages.
    pub accounts: Vec<AccountCounts>,
    /// Most frequent first.
    pub failures: Vec<FailureCount>,
    /// Problems and how many of each.
    pub problems: Vec<(Problem, u64)>,
    /// The messages counted, in words: `in the last 7 days`.
    pub period: String,
}

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    frame: Frame,
    headline: String,
    calm: bool,
    period: String,
    has_accounts: bool,
    total: u64,
    tiles: Vec<Tile>,
    funnel: Vec<FunnelStep>,
    states: Vec<StateCount>,
    accounts: Vec<AccountRow>,
    failures: Vec<FailureRow>,
    problems: Vec<ProblemRow>,
}

#[derive(Clone, Debug)]
struct Tile {
    label: &'static str,
    value: String,
    note: String,
    tone: &'static str,
    href: String,
}

/// One bar of the funnel: messages that got at least this far.
#[derive(Clone, Debug)]
struct FunnelStep {
    class: &'static str,
    label: &'static str,
    count: String,
    share: String,
    permille: u64,
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
    total: String,
    cells: Vec<AccountCell>,
}

#[derive(Clone, Debug)]
struct AccountCell {
    label: &'static str,
    count: String,
    href: Option<String>,
    alarming: bool,
}

#[derive(Clone, Debug)]
struct FailureRow {
    code: String,
    provider: &'static str,
    class: &'static str,
    words: String,
    meaning: &'static str,
    action: &'static str,
    count: String,
    href: Option<String>,
}

#[derive(Clone, Debug)]
struct ProblemRow {
    title: &'static str,
    words: &'static str,
    count: String,
    href: Option<String>,
}

impl OverviewPage {
    /// The overview of a flow.
    pub fn new(flow: &Flow) -> Self {
        let sums = sum(&flow.accounts);
        let total: u64 = sums.iter().sum();
        let problems: Vec<_> = flow
            .problems
            .iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        Self {
            frame: Frame::inside(Section::Overview, "Overview", Refresh::Live),
            headline: headline(total, problems.len()),
            calm: problems.is_empty(),
            period: flow.period.clone(),
            has_accounts: !flow.accounts.is_empty(),
            total,
            tiles: tiles(&sums, total, &flow.period),
            funnel: funnel(&sums, total),
            states: states(&sums, total),
            accounts: flow.accounts.iter().map(account_row).collect(),
            failures: flow.failures.iter().map(failure_row).collect(),
            problems: problems
                .into_iter()
                .map(|(problem, count)| problem_row(*problem, *count))
                .collect(),
        }
    }
}

fn headline(total: u64, problems: usize) -> String {
    match (total, problems) {
        (0, 0) => "Nothing has been sent yet".to_owned(),
        (_, 0) => "Everything is flowing".to_owned(),
        (_, 1) => "One thing needs a person".to_owned(),
        (_, several) => format!("{several} things need a person"),
    }
}

fn sum(accounts: &[AccountCounts]) -> [u64; 10] {
    accounts.iter().fold([0; 10], |mut sums, account| {
        for (sum, count) in sums.iter_mut().zip(account.states) {
            *sum += count;
        }
        sums
    })
}

fn of(states: &[u64; 10], state: DeliveryState) -> u64 {
    DeliveryState::ALL
        .iter()
        .zip(states)
        .filter(|(known, _)| **known == state)
        .map(|(_, count)| *count)
        .sum()
}

/// Messages whose state is this stage or a higher one.
fn at_least(states: &[u64; 10], lowest: DeliveryState) -> u64 {
    const WAY: [DeliveryState; 5] = [
        DeliveryState::Submitted,
        DeliveryState::Sent,
        DeliveryState::Delivered,
        DeliveryState::Read,
        DeliveryState::Played,
    ];
    WAY.into_iter()
        .filter(|state| *state >= lowest)
        .map(|state| of(states, state))
        .sum()
}

fn list_of(state: DeliveryState) -> String {
    MessagesAddress::default().with_state(Some(state)).page()
}

fn tiles(sums: &[u64; 10], total: u64, period: &str) -> Vec<Tile> {
    let delivered = at_least(sums, DeliveryState::Delivered);
    let read = at_least(sums, DeliveryState::Read);
    let failed = of(sums, DeliveryState::Failed);
    let waiting = of(sums, DeliveryState::Queued) + of(sums, DeliveryState::Sending);
    vec![
        Tile {
            label: "Messages",
            value: count(total),
            note: period.to_owned(),
            tone: "plain",
            href: "/messages".to_owned(),
        },
        Tile {
            label: "On the phone",
            value: percent(delivered, total),
            note: counted(delivered, "message", "messages"),
            tone: "delivered",
            href: list_of(DeliveryState::Delivered),
        },
        Tile {
            label: "Read",
            value: percent(read, total),
            note: counted(read, "message", "messages"),
            tone: "read",
            href: list_of(DeliveryState::Read),
        },
        Tile {
            label: "Failed",
            value: percent(failed, total),
            note: counted(failed, "message", "messages"),
            tone: if failed > 0 { "failed" } else { "plain" },
            href: list_of(DeliveryState::Failed),
        },
        Tile {
            label: "Waiting",
            value: count(waiting),
            note: "not handed over yet".to_owned(),
            tone: "plain",
            href: list_of(DeliveryState::Queued),
        },
    ]
}

fn funnel(sums: &[u64; 10], total: u64) -> Vec<FunnelStep> {
    let step = |class, label, reached| FunnelStep {
        class,
        label,
        count: count(reached),
        share: percent(reached, total),
        permille: permille(reached, total),
    };
    vec![
        step("queued", "accepted", total),
        step(
            "submitted",
            "with the provider",
            at_least(sums, DeliveryState::Submitted),
        ),
        step("sent", "with WhatsApp", at_least(sums, DeliveryState::Sent)),
        step(
            "delivered",
            "on the phone",
            at_least(sums, DeliveryState::Delivered),
        ),
        step("read", "read", at_least(sums, DeliveryState::Read)),
    ]
}

fn states(sums: &[u64; 10], total: u64) -> Vec<StateCount> {
    DeliveryState::ALL
        .into_iter()
        .zip(sums)
        .filter(|(_, number)| **number > 0)
        .map(|(state, number)| StateCount {
            pill: StatePill::new(state),
            words: plain_words(state),
            count: count(*number),
            share: percent(*number, total),
            href: list_of(state),
        })
        .collect()
}

fn account_row(counts: &AccountCounts) -> AccountRow {
    let list = MessagesAddress {
        account: Some(counts.account.clone()),
        ..MessagesAddress::default()
    };
    let cells = DeliveryState::ALL
        .into_iter()
        .zip(counts.states)
        .filter(|(state, _)| *state != DeliveryState::Played || counts.states[7] > 0)
        .map(|(state, number)| AccountCell {
            label: state.as_str(),
            count: count(number),
            href: (number > 0).then(|| list.with_state(Some(state)).page()),
            alarming: number > 0
                && matches!(state, DeliveryState::Failed | DeliveryState::Uncertain),
        })
        .collect();
    AccountRow {
        account: counts.account.to_string(),
        provider: counts.provider.title(),
        href: list.page(),
        total: count(counts.total()),
        cells,
    }
}

fn failure_row(reason: &FailureCount) -> FailureRow {
    let explanation = explain(reason.provider, &reason.failure);
    let words = [&reason.failure.title, &reason.failure.detail]
        .into_iter()
        .flatten()
        .next()
        .map(|text| visible_line(text))
        .unwrap_or_default();
    FailureRow {
        code: reason
            .failure
            .code
            .as_deref()
            .map_or_else(|| "no code".to_owned(), visible_line),
        provider: reason.provider.title(),
        class: explanation.class.as_str(),
        words,
        meaning: explanation.meaning,
        action: explanation.action,
        count: count(reason.count),
        href: reason.failure.code.clone().map(|code| {
            MessagesAddress {
                code: Some(code),
                provider: Some(reason.provider),
                ..MessagesAddress::default()
            }
            .page()
        }),
    }
}

fn problem_row(problem: Problem, number: u64) -> ProblemRow {
    ProblemRow {
        title: problem.title(),
        words: problem.words(),
        count: count(number),
        href: problem.address(),
    }
}
