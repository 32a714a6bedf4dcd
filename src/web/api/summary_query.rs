//! The query string of the delivery summary.

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::domain::account_limit::AccountLimit;
use crate::domain::campaign::CampaignId;
use crate::reporting::bucketed_statistics::{BucketWidth, day_end, day_start};
use crate::reporting::delivery_summary::{Dimension, INTERVAL_LIMIT, Interval};
use crate::reporting::export::ByteOrderMark;
use crate::reporting::query_values::{parse_account, parse_campaign, parse_zone};
use crate::reporting::summary_report::SummaryRequest;
use crate::reporting::value_shape::ValueShape;
use crate::store::bucket_counts::Period;
use crate::web::api::filter::{MarkParameter, parse_mark};
use crate::web::api::parameters::Parameters;
use crate::web::api::query_parameter::{QueryParameter, query_parameters};
use crate::web::api::statistics_query::{PeriodBound, PeriodParameters, parse_bound};
use crate::web::problem_json::FieldError;

query_parameters!(
    SummaryParameters,
    [
        QueryParameter::new(
            "interval",
            "day, week (from Monday) or month; default day.",
            ValueShape::Word(|| Interval::ALL.map(Interval::as_str).to_vec())
        ),
        QueryParameter::new(
            "by",
            "Dimensions that rows are grouped by besides the interval: account, kind and campaign, separated by commas, or none; default account,kind.",
            ValueShape::WordsOr(
                || Dimension::ALL.map(Dimension::as_str).to_vec(),
                NO_DIMENSION
            )
        ),
        QueryParameter::new("campaign", "Campaign id.", ValueShape::Slug),
    ]
);

/// The value for no dimensions.
const NO_DIMENSION: &str = "none";
/// Days of a summary without `from`, including today.
const DEFAULT_DAYS: u64 = 30;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SummaryQuery {
    pub period: Period,
    pub interval: Interval,
    pub by: Vec<Dimension>,
    pub zone: Tz,
    pub campaign: Option<CampaignId>,
    pub mark: ByteOrderMark,
}

impl SummaryQuery {
    pub fn request(&self) -> SummaryRequest<'_> {
        SummaryRequest {
            period: &self.period,
            interval: self.interval,
            zone: self.zone,
            campaign: self.campaign.as_ref(),
        }
    }

    /// A query from the day `first` until now, by day and account.
    pub(crate) fn by_account(first: NaiveDate, zone: Tz, now: DateTime<Utc>) -> Self {
        Self {
            period: Period {
                from: day_start(first, zone),
                to: now,
                account: None,
                limit: AccountLimit::default(),
            },
            interval: Interval::Day,
            by: vec![Dimension::Account],
            zone,
            campaign: None,
            mark: ByteOrderMark::Absent,
        }
    }
}

/// `zone` is the default of `tz`. The period begins with a whole day.
pub fn parse_summary(
    pairs: &[(String, String)],
    zone: Tz,
    now: DateTime<Utc>,
) -> Result<SummaryQuery, Vec<FieldError>> {
    let known = [
        SummaryParameters::LIST,
        PeriodParameters::LIST,
        MarkParameter::LIST,
    ];
    let mut parameters = Parameters::read(pairs, &known);
    let zone = parameters.parse_with("tz", parse_zone).unwrap_or(zone);
    let to = match parameters.parse_with("to", parse_bound) {
        Some(PeriodBound::Instant(at)) => at,
        Some(PeriodBound::Day(day)) => day_end(day, zone),
        None => now,
    };
    let from = match parameters.parse_with("from", parse_bound) {
        Some(PeriodBound::Instant(at)) => at,
        Some(PeriodBound::Day(day)) => day_start(day, zone),
        None => to.checked_sub_days(Days::new(DEFAULT_DAYS)).unwrap_or(to),
    };
    let from = BucketWidth::Day.start(from, zone);
    let interval = parameters.parse_with("interval", |word| {
        word.parse::<Interval>().map_err(|error| error.to_string())
    });
    let by = parameters.parse_with("by", parse_dimensions);
    let account = parameters.parse_with("account", parse_account);
    let campaign = parameters.parse_with("campaign", parse_campaign);
    let mark = parameters.parse_with("bom", parse_mark);
    let interval = interval.unwrap_or(Interval::Day);
    let period = Period {
        from,
        to,
        account,
        limit: AccountLimit::default(),
    };
    if from >= to {
        parameters.refuse("from", "is not before `to`");
    } else if interval.starts(&period, zone).len() > INTERVAL_LIMIT {
        let message = format!(
            "is too far from `to` for so short an interval; a summary has at most {INTERVAL_LIMIT}"
        );
        parameters.refuse("from", message);
    }
    parameters.finish(SummaryQuery {
        period,
        interval,
        by: by.unwrap_or_else(|| vec![Dimension::Account, Dimension::Kind]),
        zone,
        campaign,
        mark: mark.unwrap_or(ByteOrderMark::Absent),
    })
}

/// Sorted, each once.
fn parse_dimensions(text: &str) -> Result<Vec<Dimension>, String> {
    if text == NO_DIMENSION {
        return Ok(Vec::new());
    }
    let words = text.split(',').map(|word| word.trim().parse::<Dimension>());
    let mut by: Vec<Dimension> = words
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    by.sort_unstable();
    by.dedup();
    Ok(by)
}
