//! `/`: is everything flowing? Counts per state and account, failures by reason, open problems.
//!
//! **Invariant:** a count that is a link leads to the list of exactly what it counts: the same
//! days, the same origin.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::db;
use crate::domain::alert::AlertRule;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure_codes::is_queue_code;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;
use crate::domain::scope::{Caller, Visibility};
use crate::reporting::costs::month_costs::MonthCosts;
use crate::reporting::headline::{self, Headline};
use crate::reporting::loss_check::LossCheck;
use crate::reporting::number_format::{counted, format_count, percent};
use crate::reporting::period_figures::{self, AccountFigures, PeriodFigures};
use crate::services::Services;
use crate::store::alert_records::Incident;
use crate::store::page_counts::{Counts, Problems};
use crate::web::dashboard::account_figures_table::{
    AccountFiguresRow, ShareCell, figures_rows, total_shares,
};
use crate::web::dashboard::alerts_section::{AlertRow, alert_rows};
use crate::web::dashboard::failure_reasons::{FailureRow, failure_rows};
use crate::web::dashboard::funnel::{FunnelStep, ShownTotals};
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::overview_accounts::{AccountRow, account_rows};
use crate::web::dashboard::overview_cost::CostSection;
use crate::web::dashboard::overview_loss_check::LossCheckSection;
use crate::web::dashboard::overview_period::{
    OverviewPeriod, OverviewRange, PeriodLink, RangeForm, period_links,
};
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, respond};
use crate::web::dashboard::page_zone::PageZone;
use crate::web::dashboard::problem_counts::{ProblemRow, problem_rows};
use crate::web::dashboard::report_figures::relative_change;
use crate::web::dashboard::state_pill::StatePill;
use crate::web::dashboard::volume_chart::VolumeChart;
use crate::web::error::ApiError;

pub(crate) async fn show(
    services: web::Data<Services>,
    request: HttpRequest,
    caller: Caller,
    page_zone: PageZone,
) -> Result<HttpResponse, ApiError> {
    let (now, zone) = (services.clock.now(), page_zone.zone);
    let today = now.with_timezone(&zone).date_naive();
    let (range, form) = OverviewRange::parse(request.query_string(), today);
    let period = OverviewPeriod::new(range, now, zone);
    let store = &services.store;
    let compared = &period.compared;
    let counts = store
        .count_messages_within(compared.from, compared.to)
        .await?;
    let problems = store.count_problems(now).await?;
    let providers = providers(&services).await?;
    let headline = headline::find(&services, &caller.accounts, zone).await?;
    let figures = period_figures::compute(store, providers.keys(), compared, zone).await?;
    let incidents = store.list_open_incidents().await?;
    let (costs, config) = (&services.costs, &services.config);
    let month = services.month_costs.month(costs, config, now).await?;
    let loss_check = LossCheck::find(store, &services.journal).await?;
    let mut shown = OverviewPage::new(&OverviewInput {
        providers: &providers,
        counts: &counts,
        problems: &problems,
        headline: &headline,
        alerts: &services.config.alerts,
        incidents: &incidents,
        figures: &figures,
        month: &month,
        month_zone: services.config.report_time_zone,
        zone,
        now,
        viewer: caller.visibility(),
        period: &period,
        form: &form,
    });
    shown.loss_check = Some(LossCheckSection::new(&loss_check));
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
    /// Problems that are open now, whatever the period.
    pub problems: &'a Problems,
    /// The current state, whatever the period.
    pub headline: &'a Headline,
    pub alerts: &'a [AlertRule],
    /// Open incidents.
    pub incidents: &'a [Incident],
    pub figures: &'a PeriodFigures,
    pub month: &'a MonthCosts,
    /// The zone in which months begin.
    pub month_zone: Tz,
    pub zone: Tz,
    pub now: DateTime<Utc>,
    pub viewer: Visibility,
    pub period: &'a OverviewPeriod,
    pub form: &'a RangeForm,
}

#[derive(Template, Clone, Debug)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    pub(super) frame: Frame,
    headline: Headline,
    as_of: String,
    chart: VolumeChart,
    figures: Vec<AccountFiguresRow>,
    period: String,
    periods: Vec<PeriodLink>,
    form: RangeForm,
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
    cost: Option<CostSection>,
    loss_check: Option<LossCheckSection>,
}

#[derive(Clone, Debug)]
struct SummaryTile {
    label: &'static str,
    value: String,
    /// Against the period before.
    change: Option<String>,
    is_worse: bool,
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
        let sums = ShownTotals::new(input.counts.sent.values(), failed_in_queue(input.counts));
        let mut list = input.period.list();
        // Without observed and dry-run messages, the unfiltered list holds the same messages.
        if !input.counts.observed.is_empty() || !input.counts.dry_run.is_empty() {
            list.query.filter.origin = Some(Origin::Api);
        }
        let problems = problem_rows(input.problems);
        let observed = ShownTotals::new(input.counts.observed.values(), 0).total();
        let dry_run = ShownTotals::new(input.counts.dry_run.values(), 0).total();
        Self {
            frame: Frame::in_section(NavigationSection::Overview, "Overview", Refresh::Live),
            headline: input.headline.clone(),
            as_of: input
                .now
                .with_timezone(&input.zone)
                .format("%H:%M")
                .to_string(),
            chart: VolumeChart::new(input.figures, input.zone, input.viewer),
            figures: figures_rows(input.figures, input.providers, &list),
            period: input.period.text.clone(),
            periods: period_links(input.period.range),
            form: input.form.clone(),
            total: sums.total(),
            observed,
            dry_run,
            tiles: tiles(&sums, &input.figures.total, &list, &input.period.text),
            funnel: sums.funnel(),
            states: states(&sums, &list),
            accounts: account_rows(input.providers, input.counts, &list),
            failures: failure_rows(input.counts, input.providers, &list),
            problems,
            alerts: alert_rows(input.alerts, input.incidents, input.viewer),
            cost: CostSection::new(input.month, input.month_zone, input.zone),
            loss_check: None,
        }
    }
}

fn tiles(
    sums: &ShownTotals,
    figures: &AccountFigures,
    list: &MessageListUrl,
    period: &str,
) -> Vec<SummaryTile> {
    let link = |states: &[DeliveryState]| Some(list.with_states(states).href());
    let tile = |label, tone, number, cell: ShareCell, states: &[DeliveryState]| SummaryTile {
        label,
        value: percent(number, sums.attempted()),
        change: cell.change,
        is_worse: cell.is_worse,
        note: counted(number, "message", "messages"),
        tone,
        href: link(states),
    };
    let plain = |label, number, change, note: &str, href| SummaryTile {
        label,
        value: format_count(number),
        change,
        is_worse: false,
        note: note.to_owned(),
        tone: "plain",
        href,
    };
    let [delivered, read, failed] = total_shares(figures);
    let number = sums.get(DeliveryState::Failed);
    let (now, before) = (
        figures.current.states.messages(),
        figures.before.states.messages(),
    );
    let waiting = [DeliveryState::Queued, DeliveryState::Sending];
    let not_submitted = waiting.map(|state| sums.get(state)).iter().sum();
    vec![
        plain(
            "Messages",
            sums.total(),
            relative_change(now.into(), before.into()),
            period,
            Some(list.href()),
        ),
        tile(
            "Delivered",
            "delivered",
            sums.at_least(DeliveryState::Delivered),
            delivered,
            &[
                DeliveryState::Delivered,
                DeliveryState::Read,
                DeliveryState::Played,
            ],
        ),
        tile(
            "Read",
            "read",
            sums.at_least(DeliveryState::Read),
            read,
            &[DeliveryState::Read, DeliveryState::Played],
        ),
        SummaryTile {
            value: percent(sums.failed_after_attempt(), sums.attempted()),
            note: failed_note(sums),
            ..tile(
                "Failed",
                if number > 0 { "failed" } else { "plain" },
                number,
                failed,
                &[DeliveryState::Failed],
            )
        },
        plain(
            "Not submitted",
            not_submitted,
            None,
            "queued or sending",
            link(&waiting),
        ),
    ]
}

/// Names messages that failed in the queue: the tile's share leaves them out, its link lists them.
fn failed_note(sums: &ShownTotals) -> String {
    let all = counted(sums.get(DeliveryState::Failed), "message", "messages");
    match sums.failed_in_queue() {
        0 => all,
        of_queue => format!("{all}, {} of them in the queue", format_count(of_queue)),
    }
}

fn failed_in_queue(counts: &Counts) -> u64 {
    let of_queue = counts
        .failures
        .iter()
        .filter(|((_, code), _)| is_queue_code(code));
    let messages: i64 = of_queue.map(|(_, messages)| messages).sum();
    u64::try_from(messages).unwrap_or_default()
}

fn states(sums: &ShownTotals, list: &MessageListUrl) -> Vec<StateCount> {
    DeliveryState::ALL
        .into_iter()
        .map(|state| (state, sums.get(state)))
        .filter(|(_, number)| *number > 0)
        .map(|(state, number)| StateCount {
            pill: StatePill::new(state),
            tooltip: state.tooltip(),
            count: format_count(number),
            // Shares are of the attempted messages.
            share: match state {
                DeliveryState::Queued | DeliveryState::Cancelled => "–".to_owned(),
                DeliveryState::Failed => percent(sums.failed_after_attempt(), sums.attempted()),
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
