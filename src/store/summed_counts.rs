//! Stored counts of messages by state, summed over the intervals of a period.

use chrono::{DateTime, Utc};

use crate::db::Error;
use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::store::Store;
use crate::store::bucket_counts::{Period, interval_of};
use crate::store::entities::column_types::OrEmpty;
use crate::store::period_parts;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateSum {
    /// Index of the interval.
    pub interval: usize,
    pub account: AccountId,
    /// Unknown for some observed messages.
    pub kind: Option<MediaKind>,
    pub campaign: Option<CampaignId>,
    pub origin: Origin,
    pub state: DeliveryState,
    /// The failure code; empty without a failure.
    pub code: String,
    pub class: Option<FailureClass>,
    pub messages: i64,
}

/// Which of kind, class and campaign the sums distinguish; the others are absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SumDetail {
    Totals,
    KindAndClass,
    KindAndCampaign,
}

impl SumDetail {
    /// The SQL expressions of kind, class and campaign.
    fn columns(self) -> [&'static str; 3] {
        match self {
            Self::Totals => ["''", "''", "''"],
            Self::KindAndClass => ["kind", "class", "''"],
            Self::KindAndCampaign => ["kind", "''", "campaign"],
        }
    }
}

impl Store {
    /// Sums messages per interval, account, origin, state, failure code and the columns of `detail`.
    /// Intervals begin at `starts`, which are sorted quarter hours.
    pub async fn sum_states(
        &self,
        period: &Period,
        starts: &[DateTime<Utc>],
        detail: SumDetail,
    ) -> Result<Vec<StateSum>, Error> {
        let reader = self.pools().reader();
        let backend = reader.get_database_backend();
        let parts = period_parts::query(backend, period, starts);
        let [kind, class, campaign] = detail.columns();
        let columns = format!(
            "account, {kind} AS kind, origin, state, code, {class} AS class, {campaign} AS campaign, messages"
        );
        let rows = period_parts::sums_and_quarters("message_sums", "message_counts", &columns);
        let names = "interval_index, account, kind, origin, state, code, class, campaign";
        let sql = format!(
            "SELECT {names}, CAST(SUM(messages) AS bigint) AS messages FROM ({rows}) AS counted \
             WHERE {} GROUP BY {names} HAVING SUM(messages) <> 0 ORDER BY {names}",
            parts.accounts,
        );
        let rows = parts.run(reader, &sql).await?;
        rows.iter()
            .map(|row| {
                let kind: OrEmpty<MediaKind> = row.try_get("", "kind")?;
                let class: OrEmpty<FailureClass> = row.try_get("", "class")?;
                let campaign: OrEmpty<CampaignId> = row.try_get("", "campaign")?;
                Ok(StateSum {
                    interval: interval_of(row)?,
                    account: row.try_get("", "account")?,
                    kind: kind.0,
                    campaign: campaign.0,
                    origin: row.try_get("", "origin")?,
                    state: row.try_get("", "state")?,
                    code: row.try_get("", "code")?,
                    class: class.0,
                    messages: row.try_get("", "messages")?,
                })
            })
            .collect()
    }
}
