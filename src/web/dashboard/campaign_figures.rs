//! The numbers and charts of a campaign's page.

use chrono::TimeDelta;

use crate::domain::campaign::Campaign;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::failure_codes::describe;
use crate::domain::provider::ProviderId;
use crate::domain::scope::Visibility;
use crate::reporting::campaign_summary::CampaignSummary;
use crate::reporting::costs::month_costs::CostFigures;
use crate::reporting::number_format::{format_count, percent, permille, span};
use crate::store::campaigns::DeliveryTimes;
use crate::web::dashboard::funnel::ShownTotals;
use crate::web::dashboard::report_figures::money;

/// Height of the chart of delivery times.
const CHART_HEIGHT: u64 = 100;
/// From one bar to the next, in percent of the chart's width.
const BAR_DISTANCE: u64 = 11;
/// Upper limits of the bars in milliseconds; one more bar has the rest.
const TIME_LIMITS: [(i64, &str); 8] = [
    (1_000, "1 s"),
    (2_000, "2 s"),
    (5_000, "5 s"),
    (10_000, "10 s"),
    (30_000, "30 s"),
    (60_000, "1 min"),
    (300_000, "5 min"),
    (1_800_000, "30 min"),
];

/// One part of the bar of states.
#[derive(Clone, Debug)]
pub(super) struct StateSegment {
    pub(super) class: &'static str,
    pub(super) label: &'static str,
    pub(super) count: String,
    pub(super) href: String,
    /// In thousandths of the bar's width.
    pub(super) start: u64,
    pub(super) width: u64,
}

#[derive(Clone, Debug)]
pub(super) struct CampaignFigure {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) note: String,
    pub(super) tone: &'static str,
}

#[derive(Clone, Debug)]
pub(super) struct FailureLine {
    pub(super) code: String,
    pub(super) class: &'static str,
    pub(super) meaning: &'static str,
    pub(super) count: String,
    pub(super) href: String,
    pub(super) resend: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct TimeBar {
    pub(super) label: &'static str,
    pub(super) count: String,
    pub(super) share: String,
    /// In percent of the width: left edge and middle.
    pub(super) left: String,
    pub(super) middle: String,
    /// In pixels.
    pub(super) top: u64,
    pub(super) height: u64,
    /// CSS class that hides every second label on a phone, where the labels would overlap.
    pub(super) label_class: &'static str,
}

pub(super) fn segments(campaign: &Campaign, totals: &ShownTotals) -> Vec<StateSegment> {
    const ORDER: [DeliveryState; 10] = [
        DeliveryState::Played,
        DeliveryState::Read,
        DeliveryState::Delivered,
        DeliveryState::Sent,
        DeliveryState::Submitted,
        DeliveryState::Failed,
        DeliveryState::Uncertain,
        DeliveryState::Sending,
        DeliveryState::Queued,
        DeliveryState::Cancelled,
    ];
    let total = totals.total();
    let mut before = 0;
    let mut segments = Vec::new();
    for state in ORDER {
        let messages = totals.get(state);
        if messages == 0 {
            continue;
        }
        let start = permille(before, total);
        before += messages;
        segments.push(StateSegment {
            class: state.as_str(),
            label: state.label(),
            count: format_count(messages),
            href: format!("/messages?state={state}&campaign={}", campaign.id),
            start,
            width: permille(before, total) - start,
        });
    }
    segments
}

/// The cost so far, in each currency; `None` if no price was reported and no rate fits.
pub(super) fn cost_figure(cost: &CostFigures) -> Option<CampaignFigure> {
    if cost.totals.is_empty() {
        return None;
    }
    let number = |number: i64| format_count(u64::try_from(number).unwrap_or_default());
    let mut notes = vec![format!("for {} deliveries", number(cost.deliveries))];
    if cost.free > 0 {
        notes.push(format!("{} free", number(cost.free)));
    }
    if cost.unknown > 0 {
        notes.push(format!("{} without a price", number(cost.unknown)));
    }
    if cost.estimated {
        notes.push("estimated from rates".to_owned());
    }
    Some(CampaignFigure {
        label: "Cost",
        value: money(&cost.totals),
        note: notes.join(", "),
        tone: "",
    })
}

pub(super) fn figures(totals: &ShownTotals) -> Vec<CampaignFigure> {
    let figure = |label, messages, tone| CampaignFigure {
        label,
        value: percent(messages, totals.attempted()),
        note: format!(
            "{} of {} attempted",
            format_count(messages),
            format_count(totals.attempted())
        ),
        tone,
    };
    let mut figures = vec![
        figure(
            "Delivered",
            totals.at_least(DeliveryState::Delivered),
            "delivered",
        ),
        figure("Read", totals.at_least(DeliveryState::Read), "read"),
        figure("Failed", totals.failed_after_attempt(), "failed"),
    ];
    if totals.failed_in_queue() > 0 {
        figures.push(CampaignFigure {
            label: "Failed in the queue",
            value: format_count(totals.failed_in_queue()),
            note: "not sent in time, never attempted".to_owned(),
            tone: "failed",
        });
    }
    figures
}

pub(super) fn failure_lines(
    summary: &CampaignSummary,
    provider: ProviderId,
    visibility: Visibility,
    can_resend: bool,
) -> Vec<FailureLine> {
    let id = &summary.campaign.id;
    let lines = summary.failures.iter().map(|group| {
        let failure = Failure {
            code: group.code.clone(),
            ..Failure::default()
        };
        let class = group.class.unwrap_or(FailureClass::Unknown);
        let query = |campaign: bool| {
            let mut pairs = form_urlencoded::Serializer::new(String::new());
            pairs.append_pair("state", "failed");
            pairs.append_pair("class", class.as_str());
            // A code may quote a number; a link with a masked one would find nothing.
            let is_shown = |code: &&String| visibility.mask_code(code) == **code;
            if let Some(code) = group.code.as_ref().filter(is_shown) {
                pairs.append_pair("code", code);
            }
            if campaign {
                pairs.append_pair("campaign", id.as_str());
            }
            pairs.finish()
        };
        FailureLine {
            code: (group.code.as_deref())
                .map_or("–".to_owned(), |code| visibility.failure_code(code)),
            class: class.as_str(),
            meaning: describe(provider, &failure).meaning,
            count: format_count(group.messages),
            href: format!("/messages?{}", query(true)),
            resend: can_resend.then(|| format!("/campaigns/{id}/resend?{}", query(false))),
        }
    });
    lines.collect()
}

/// Median and 95th percentile; `None` without a delivery.
pub(super) fn typical_times(times: &DeliveryTimes) -> Option<String> {
    let time = |percent| {
        let millis = times.percentile(percent)?;
        Some(span(TimeDelta::milliseconds(millis)))
    };
    Some(format!("median {}, p95 {}", time(50)?, time(95)?))
}

/// Empty without a delivery.
pub(super) fn time_bars(times: &DeliveryTimes) -> Vec<TimeBar> {
    let total = times.count();
    if total == 0 {
        return Vec::new();
    }
    let mut below = 0;
    let mut bars: Vec<(&'static str, u64)> = Vec::new();
    for (limit, label) in TIME_LIMITS {
        let reached = times.below(limit);
        bars.push((label, reached - below));
        below = reached;
    }
    bars.push(("later", total - below));
    let most = bars
        .iter()
        .map(|(_, messages)| *messages)
        .max()
        .unwrap_or(1);
    (0_u64..)
        .zip(bars)
        .map(|(place, (label, messages))| {
            let height = messages * CHART_HEIGHT / most.max(1);
            TimeBar {
                label,
                count: format_count(messages),
                share: percent(messages, total),
                left: format!("{}%", place * BAR_DISTANCE),
                middle: format!("{}%", place * BAR_DISTANCE + BAR_DISTANCE / 2),
                top: CHART_HEIGHT - height,
                height,
                label_class: if place.is_multiple_of(2) {
                    ""
                } else {
                    "wide-only"
                },
            }
        })
        .collect()
}
