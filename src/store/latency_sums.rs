//! Stored latencies, summed over the intervals of a period.

use chrono::{DateTime, Utc};

use crate::db::{Error, statements};
use crate::domain::ids::AccountId;
use crate::domain::latency::{Histogram, LatencySpan};
use crate::domain::media::MediaKind;
use crate::store::Store;
use crate::store::bucket_counts::{Period, interval_of};
use crate::store::entities::column_types::OrEmpty;
use crate::store::ledger::count_sums::read_histogram;
use crate::store::period_parts;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LatencySum {
    /// Index of the interval.
    pub interval: usize,
    pub account: AccountId,
    /// Unknown for some observed messages.
    pub kind: Option<MediaKind>,
    pub span: LatencySpan,
    pub times: Histogram,
}

impl Store {
    /// The messages of each interval by these times, to the quarter hour. Intervals begin at
    /// `starts`, which are sorted.
    pub async fn sum_latencies(
        &self,
        period: &Period,
        starts: &[DateTime<Utc>],
        spans: &[LatencySpan],
    ) -> Result<Vec<LatencySum>, Error> {
        let reader = self.pools().reader();
        let backend = reader.get_database_backend();
        let parts = period_parts::query(backend, period, starts);
        let rows = period_parts::sums("latency_sums", "account, kind, stage, histogram");
        let spans: Vec<String> = spans
            .iter()
            .map(|span| format!("'{}'", span.as_str()))
            .collect();
        let sql = format!(
            "SELECT part, account, kind, stage, {}(histogram, '') AS histogram FROM ({rows}) AS counted \
             WHERE stage IN ({}) AND {} GROUP BY part, account, kind, stage ORDER BY part, account, kind, stage",
            statements::text_aggregate(backend),
            spans.join(", "),
            parts.accounts,
        );
        let mut sums = Vec::new();
        for row in parts.run(reader, &sql).await? {
            let kind: OrEmpty<MediaKind> = row.try_get("", "kind")?;
            let histogram: String = row.try_get("", "histogram")?;
            sums.push(LatencySum {
                interval: interval_of(&row)?,
                account: row.try_get("", "account")?,
                kind: kind.0,
                span: row.try_get("", "stage")?,
                times: read_histogram(&histogram)?,
            });
        }
        sums.retain(|sum| !sum.times.is_empty());
        Ok(sums)
    }
}
