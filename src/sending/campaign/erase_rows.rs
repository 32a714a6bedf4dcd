//! Removes the rows of campaigns that name an erased customer. The keys of the customer's own rows
//! stay as keyed hashes, so that the same file sends no second message.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::campaign::CampaignId;
use crate::domain::erased_name;
use crate::domain::ids::MessageId;
use crate::keys::Keys;
use crate::sending::campaign::import_recipients::{RejectedRow, note_rejections};
use crate::sending::campaign::recipient_content::{RecipientContent, recipient_key, reference_key};
use crate::store::Store;
use crate::store::campaigns::RecipientRow;
use crate::store::ledger::Ledger;

/// Rows read at a time.
const PAGE: u64 = 500;

pub struct CampaignRows<'a, F> {
    pub store: &'a Store,
    pub keys: &'a Keys,
    /// Whether a text names the customer.
    pub names_customer: F,
    pub now: DateTime<Utc>,
}

impl<F: Fn(&[u8]) -> bool + Sync> CampaignRows<'_, F> {
    /// Removes waiting recipients whose rows name the customer, counts them as rejected, and returns
    /// how many. The row of another recipient is deleted with its key, so that a corrected one is
    /// accepted.
    pub async fn erase_waiting(&self) -> Result<u64, db::Error> {
        let (mut after, mut erased) = (None, 0);
        loop {
            let page = self.store.list_all_waiting(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(erased);
            };
            after = Some((last.campaign.clone(), last.position));
            let mut rows_by_campaign: BTreeMap<CampaignId, Vec<RecipientRow>> = BTreeMap::new();
            for row in page {
                let content = row.content.as_deref().unwrap_or_default();
                if (self.names_customer)(content.as_bytes()) {
                    rows_by_campaign
                        .entry(row.campaign.clone())
                        .or_default()
                        .push(row);
                }
            }
            for (campaign, rows) in rows_by_campaign {
                erased += self.erase_of_campaign(&campaign, rows).await?;
            }
        }
    }

    async fn erase_of_campaign(
        &self,
        id: &CampaignId,
        rows: Vec<RecipientRow>,
    ) -> Result<u64, db::Error> {
        self.store
            .change_in_background(self.now, async |ledger: &mut Ledger| {
                let Some(mut campaign) = ledger.find_campaign(id).await? else {
                    return Ok(0);
                };
                let mut rejected = Vec::new();
                for row in rows {
                    let text = row.content.as_deref().unwrap_or_default();
                    let content: RecipientContent = serde_json::from_str(text).unwrap_or_default();
                    let is_own = (self.names_customer)(content.to.as_bytes());
                    // False if the row has become a message since it was read.
                    let removed = if is_own {
                        let key = self
                            .keys
                            .erased_name(&erased_name::row_key_parts(id, &row.row_key));
                        ledger.erase_waiting_row(id, row.position, &key).await?
                    } else {
                        ledger.delete_waiting_row(id, row.position).await?
                    };
                    if removed {
                        rejected.push(RejectedRow {
                            line: content.line,
                            field: "row".to_owned(),
                            message: "named a customer whose data was erased".to_owned(),
                        });
                    }
                }
                let number = rejected.len() as u64;
                note_rejections(&mut campaign, rejected);
                ledger.update_campaign(&campaign).await?;
                Ok(number)
            })
            .await
    }

    /// Hashes the keys of rows that are identified by a client reference. `messages` are those to the
    /// customer, before they are erased.
    pub async fn hash_references(&self, messages: &[MessageId]) -> Result<(), db::Error> {
        for (campaign, reference) in self.store.list_campaign_references(messages).await? {
            let keys = [reference_key(&reference)];
            let rows = self.store.list_rows_with_keys(Some(&campaign), &keys);
            self.hash_keys(&rows.await?).await?;
        }
        Ok(())
    }

    /// Hashes the keys of rows that are identified by the number: an unkeyed hash of a number can be
    /// reversed by trying all numbers.
    pub async fn hash_numbers(&self, phones: impl Iterator<Item = &str>) -> Result<(), db::Error> {
        let keys: Vec<String> = phones.map(recipient_key).collect();
        let rows = self.store.list_rows_with_keys(None, &keys).await?;
        self.hash_keys(&rows).await
    }

    async fn hash_keys(&self, rows: &[RecipientRow]) -> Result<(), db::Error> {
        for row in rows {
            let parts = erased_name::row_key_parts(&row.campaign, &row.row_key);
            let key = self.keys.erased_name(&parts);
            self.store.replace_row_key(row, &key).await?;
        }
        Ok(())
    }
}
