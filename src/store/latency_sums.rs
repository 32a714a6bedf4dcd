//! Latency histograms, summed over the intervals of a period.

use chrono::{DateTime, Utc};

use crate::db::{Error, statements};
use crate::domain::ids::AccountId;
use crate::domain::latency::{Histogram, LatencySpan};
use crate::domain::media::MediaKind;
use crate::store::Store;
use crate::store::bucket_counts::{Period, interval_of};
use crate::store::entities::column_types::OrEmpty;
use crate::store::ledger::latency_histograms::read_histogram;
use crate::store::period_parts;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LatencySum {
    /// Index of the interval.
    pub interval: usize,
    pub account: AccountId,
    /// Unknown for some observed messages.
    pub kind: Option<MediaKind>,
    pub span: LatencySpan,
    pub histogram: Histogram,
}

impl Store {
    /// Latency histograms per interval, account, kind and span. Intervals begin at `starts`, which
    /// are sorted quarter hours.
    pub async fn sum_latencies(
        &self,
        period: &Period,
        starts: &[DateTime<Utc>],
        spans: &[LatencySpan],
    ) -> Result<Vec<LatencySum>, Error> {
        let reader = self.pools().reader();
        let backend = reader.get_database_backend();
        let parts = period_parts::query(backend, period, starts);
        let subquery =
            period_parts::sums("latency_sums", "account, kind, stage AS span, histogram");
        let spans: Vec<String> = spans
            .iter()
            .map(|span| format!("'{}'", span.as_str()))
            .collect();
        // Concatenates the stored histograms; `read_histogram` adds them up.
        let names = "interval_index, account, kind, span";
        let sql = format!(
            "SELECT {names}, {}(histogram, '') AS histogram FROM ({subquery}) AS counted \
             WHERE span IN ({}) AND {} GROUP BY {names} ORDER BY {names}",
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
                span: row.try_get("", "span")?,
                histogram: read_histogram(&histogram)?,
            });
        }
        sums.retain(|sum| !sum.histogram.is_empty());
        Ok(sums)
    }
}
