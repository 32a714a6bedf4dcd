//! `/`: is everything flowing? Counts per state and account, failures by reason, open problems.
//!
//! **Invariant:** a count that is a link leads to the list of exactly what it counts: the same
//! days, the same origin.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::db;
use crate::domain::alert::AlertRule;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;
use crate::domain::scope::{Caller, Visibility};
use crate::reporting::headline::{self, Headline};
use crate::reporting::period_figures::{self, PeriodFigures};
use crate::services::Services;
use crate::store::alert_records::Incident;
use crate::store::page_counts::{Counts, Problems};
use crate::web::dashboard::account_figures_table::{AccountFiguresRow, figures_rows};
use crate::web::dashboard::alerts_section::{AlertRow, alert_rows};
use crate::web::dashboard::failure_reasons::{FailureRow, failure_rows};
use crate::web::dashboard::funnel::{FunnelStep, StateTotals};
use crate::web::dashboard::message_list_url::{MessageListUrl, start_of_day};
use crate::web::dashboard::number_format::{count, counted, percent};
use crate::web::dashboard::overview_accounts::{AccountRow, account_rows};
use crate::web::dashboard::overview_period::{OverviewPeriod, PeriodLink, period_links};
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, respond};
use crate::web::dashboard::problem_counts::{ProblemRow, problem_rows};
use crate::web::dashboard::state_pill::StatePill;
use crate::web::dashboard::volume_chart::VolumeChart;
use crate::web::error::ApiError;

pub(crate) async fn show(
    services: web::Data<Services>,
    request: HttpRequest,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let (now, zone) = (services.clock.now(), services.config.report_time_zone);
    let period = OverviewPeriod::parse(request.query_string());
    let since = period.since(now, zone);
    let begin = start_of_day(since, zone).unwrap_or(now);
    let counts = services.store.count_messages(begin).await?;
    let problems = services.store.count_problems(now).await?;
    let providers = providers(&services).await?;
    let headline = headline::find(&services, &caller.accounts).await?;
    let accounts = providers.keys();
    let figures =
        period_figures::compute(&services.store, accounts, begin, now, period.step()).await?;
    let incidents = services.store.list_open_incidents().await?;
    let shown = OverviewPage::new(&OverviewInput {
        providers: &providers,
        counts: &counts,
        problems: &problems,
        headline: &headline,
        alerts: &services.config.alerts,
        incidents: &incidents,
        figures: &figures,
        zone,
        now,
        viewer: caller.visibility(),
        period,
        since,
    });
    respond(&services, shown).await
}

async fn providers(services: &Services) -> Result<BTreeMap<AccountId, ProviderId>, db::Error> {
    let accounts = services.store.list_accounts().await?;
    Ok(accounts
        .into_iter()
        .map(|(id, record)| (id, record.provider))
        .collect())
}

#[derive(Clone, Debug)]
pub struct OverviewInput<'a> {
    /// Every known account.
    pub providers: &'a BTreeMap<AccountId, ProviderId>,
    pub counts: &'a Counts,
    /// Present problems, whenever they began.
    pub problems: &'a Problems,
    /// The present state, whatever the period.
    pub headline: &'a Headline,
    pub alerts: &'a [AlertRule],
    /// Open ones.
    pub incidents: &'a [Incident],
    pub figures: &'a PeriodFigures,
    pub zone: Tz,
    pub now: DateTime<Utc>,
    pub viewer: Visibility,
    pub period: OverviewPeriod,
    /// The first day of the period.
    pub since: NaiveDate,
}

#[derive(Template, Clone, Debug)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    pub(super) frame: Frame,
    headline: Headline,
    zone: &'static str,
    as_of: String,
    chart: VolumeChart,
    figures: Vec<AccountFiguresRow>,
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
    alerts: Vec<AlertRow>,
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

impl OverviewPage {
    pub fn new(input: &OverviewInput<'_>) -> Self {
        let sums = StateTotals::sum(input.counts.sent.values());
        let mut list = MessageListUrl {
            since: Some(input.since),
            ..MessageListUrl::default()
        };
        // Without observed and dry-run messages, the unfiltered list holds the same messages.
        if !input.counts.observed.is_empty() || !input.counts.dry_run.is_empty() {
            list.query.filter.origin = Some(Origin::Api);
        }
        let problems = problem_rows(input.problems);
        let observed = StateTotals::sum(input.counts.observed.values()).total();
        let dry_run = StateTotals::sum(input.counts.dry_run.values()).total();
        Self {
            frame: Frame::in_section(NavigationSection::Overview, "Overview", Refresh::Live),
            headline: input.headline.clone(),
            zone: input.zone.name(),
            as_of: input
                .now
                .with_timezone(&input.zone)
                .format("%H:%M")
                .to_string(),
            chart: VolumeChart::new(input.figures, input.zone, input.viewer),
            figures: figures_rows(input.figures, input.providers, &list),
            period: input.period.text(),
            periods: period_links(input.period),
            total: sums.total(),
            observed,
            dry_run,
            tiles: tiles(&sums, &list, input.period.text()),
            funnel: sums.funnel(),
            states: states(&sums, &list),
            accounts: account_rows(input.providers, input.counts, &list),
            failures: failure_rows(input.counts, input.providers, &list),
            problems,
            alerts: alert_rows(input.alerts, input.incidents, input.viewer),
        }
    }
}

fn tiles(sums: &StateTotals, list: &MessageListUrl, period: &str) -> Vec<SummaryTile> {
    let total = sums.attempted();
    let share = |label, tone, number, href| SummaryTile {
        label,
        value: percent(number, total),
        note: counted(number, "message", "messages"),
        tone,
        href,
    };
    let failed = sums.get(DeliveryState::Failed);
    let not_submitted = sums.get(DeliveryState::Queued) + sums.get(DeliveryState::Sending);
    let href = |states: &[DeliveryState]| Some(list.with_states(states).href());
    vec![
        SummaryTile {
            label: "Accepted",
            value: count(sums.total()),
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
            label: "Not submitted",
            value: count(not_submitted),
            note: "queued or sending".to_owned(),
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
            // Shares are of the messages of which a submission began.
            share: match state {
                DeliveryState::Queued | DeliveryState::Cancelled => "–".to_owned(),
                _ => percent(number, sums.attempted()),
            },
            href: list.with_states(&[state]).href(),
        })
        .collect()
}

impl FramedPage for OverviewPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
