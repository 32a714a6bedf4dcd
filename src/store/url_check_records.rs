//! The last check of the public URL, so that the set-up of an account can show its result.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::db::Error;
use crate::store::Store;
use crate::store::store_settings::{self, name};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UrlCheckRecord {
    pub public_url: String,
    pub at: DateTime<Utc>,
    /// The number of problems that would block or change callbacks.
    pub problems: usize,
}

impl Store {
    pub async fn record_url_check(&self, record: &UrlCheckRecord) -> Result<(), Error> {
        let value = serde_json::json!(record).to_string();
        self.pools()
            .within(async |transaction| {
                store_settings::set(transaction, name::URL_CHECKED, &value).await
            })
            .await
    }

    /// The last check, if it was of this URL.
    pub async fn find_url_check(&self, public_url: &str) -> Result<Option<UrlCheckRecord>, Error> {
        let Some(text) = store_settings::find(self.pools().reader(), name::URL_CHECKED).await?
        else {
            return Ok(None);
        };
        let record: UrlCheckRecord = serde_json::from_str(&text)
            .map_err(|_| Error::inconsistent("settings", "value", name::URL_CHECKED))?;
        Ok(Some(record).filter(|record| record.public_url == public_url))
    }
}
