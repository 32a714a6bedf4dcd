//! The JSON of statistics per bucket.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::time;
use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::failure::FailureClass;
use crate::domain::latency::Histogram;
use crate::reporting::bucketed_statistics::{GroupStatistics, StatisticsGroup};
use crate::reporting::headline::{Headline, Issue};

#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct StatisticsResponse {
    /// `15m`, `hour` or `day`.
    pub(crate) bucket: &'static str,
    /// The zone of days and hours.
    pub(crate) tz: &'static str,
    /// Where the first bucket begins.
    pub(crate) from: String,
    /// Messages first submitted at or after it are not counted.
    pub(crate) to: String,
    /// When the messages were counted.
    pub(crate) as_of: String,
    /// What is wrong now, whatever the period.
    pub(crate) headline: HeadlineResponse,
    pub(crate) data: Vec<BucketResponse>,
}

/// The current condition of everything in one sentence.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct HeadlineResponse {
    /// The worst issue; without one `All accounts healthy`, `No callback has arrived yet`, `No account yet`, or a
    /// sentence about failures that are too few to judge.
    pub(crate) text: String,
    pub(crate) healthy: bool,
    /// The worst first.
    pub(crate) issues: Vec<IssueResponse>,
}

#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct IssueResponse {
    /// The kind of an alarm, the health of an account, `lost_reports`, `quality` or `limit`.
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    pub(crate) text: String,
    /// The page that shows more.
    pub(crate) path: String,
}

impl HeadlineResponse {
    pub(crate) fn of(headline: Headline) -> Self {
        Self {
            healthy: headline.is_healthy(),
            text: headline.text,
            issues: headline.issues.into_iter().map(IssueResponse::of).collect(),
        }
    }
}

impl IssueResponse {
    fn of(issue: Issue) -> Self {
        Self {
            kind: issue.kind,
            account: issue.account.map(|account| account.to_string()),
            text: issue.text,
            path: issue.path,
        }
    }
}

/// The messages of one bucket, account and kind.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct BucketResponse {
    /// When the bucket began.
    pub(crate) at: String,
    pub(crate) account: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    /// Messages that we sent, by state.
    pub(crate) states: BTreeMap<&'static str, i64>,
    /// Messages sent elsewhere, by state.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) observed: BTreeMap<&'static str, i64>,
    /// Messages of accounts in dry-run, by state.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) dry_run: BTreeMap<&'static str, i64>,
    /// Why messages that we sent failed.
    pub(crate) failures: FailuresResponse,
    /// Time from acceptance, by stage: `sent`, `delivered`, `read`.
    pub(crate) time_to: BTreeMap<&'static str, TimesResponse>,
}

impl BucketResponse {
    pub(crate) fn of(group: &StatisticsGroup, figures: &GroupStatistics) -> Self {
        let classes = figures.classes.iter().filter(|(_, count)| **count != 0);
        let codes = figures.codes.iter();
        Self {
            at: time(group.at),
            account: group.account.to_string(),
            kind: Some(group.kind).filter(|kind| !kind.is_empty()),
            states: states(&figures.states),
            observed: states(&figures.observed),
            dry_run: states(&figures.dry_run),
            failures: FailuresResponse {
                classes: classes
                    .map(|(class, count)| (FailureClass::as_str(*class), *count))
                    .collect(),
                codes: codes
                    .filter(|(code, count)| !code.is_empty() && **count != 0)
                    .map(|(code, count)| (code.clone(), *count))
                    .collect(),
            },
            time_to: times(&figures.latencies),
        }
    }
}

/// Why messages failed.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct FailuresResponse {
    /// By class.
    pub(crate) classes: BTreeMap<&'static str, i64>,
    /// By the provider's code; those without a code are counted by class alone.
    pub(crate) codes: BTreeMap<String, i64>,
}

/// Percentiles, in milliseconds.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct TimesResponse {
    /// For how many messages this stage was reported.
    pub(crate) count: i64,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
}

fn states(counts: &BTreeMap<DeliveryState, i64>) -> BTreeMap<&'static str, i64> {
    let counts = counts.iter().filter(|(_, count)| **count != 0);
    counts
        .map(|(state, count)| (state.as_str(), *count))
        .collect()
}

pub(super) fn times(
    histograms: &BTreeMap<Stage, Histogram>,
) -> BTreeMap<&'static str, TimesResponse> {
    let reported = histograms.iter().filter_map(|(stage, times)| {
        let percentile = |percent| times.percentile(percent).map(f64::round);
        let response = TimesResponse {
            count: times.count(),
            p50_ms: percentile(50)?,
            p95_ms: percentile(95)?,
            p99_ms: percentile(99)?,
        };
        Some((stage.as_str(), response))
    });
    reported.collect()
}
