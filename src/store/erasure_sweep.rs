//! Removes texts that name one customer from every table, row by row. The whole text is removed.
//!
//! [`SWEPT`] and [`NOT_SWEPT`] together name every column of text in the main database; a test
//! compares them with the schema.

use chrono::{DateTime, Utc};
use sea_orm::{EntityTrait, QueryResult, Value};
use uuid::Uuid;

use crate::db::Error;
use crate::domain::erased_name;
use crate::domain::ids::{AccountId, MessageId};
use crate::store::Store;
use crate::store::entities::idempotency_key_row;
use crate::store::ledger::message_erasure::{NameHash, hash_key};
use crate::store::ledger::message_ledger::Ledger;
use crate::store::messages::template_values;
use crate::store::purge_statements::execute;

/// Whether a text or a body names the customer.
pub type NamesCustomer<'a> = &'a (dyn Fn(&[u8]) -> bool + Sync);

/// How a sweep recognises texts, and how it hashes keys.
#[derive(Clone, Copy)]
pub struct Sweep<'a> {
    pub names_customer: NamesCustomer<'a>,
    pub hash: NameHash<'a>,
}

/// A table whose rows are read in the order of its key.
#[derive(Clone, Copy, Debug)]
pub struct SweptTable {
    pub name: &'static str,
    key: &'static [KeyColumn],
    /// The column with the message that is folded again when the row changes.
    folded_message: Option<&'static str>,
    pub columns: &'static [(&'static str, Removal)],
    /// Rows per query.
    page_size: u64,
}

#[derive(Clone, Copy, Debug)]
enum KeyColumn {
    Id(&'static str),
    Text(&'static str),
    Integer(&'static str),
}

/// What happens to a text that names the customer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    /// It is replaced by NULL.
    Null,
    /// It is replaced by `…`.
    Ellipsis,
    /// The row is deleted.
    Row,
    /// Like `Row`, for a column of bytes.
    RowOfBytes,
    /// The values of a template that name the customer are replaced by `…`.
    Values,
    /// It is replaced by a text that differs from those of other recipients.
    Recipient,
    /// The name and the hash of the request are hashed, so that a repeated request is recognised.
    Key,
}

use KeyColumn::{Id, Integer, Text};
use Removal::{Ellipsis, Key, Null, Recipient, Row, RowOfBytes, Values};

const PAGE_SIZE: u64 = 500;
/// For rows that contain bodies.
const SMALL_PAGE_SIZE: u64 = 8;

/// Receipts come before messages, which show their texts.
#[rustfmt::skip]
pub const SWEPT: &[SweptTable] = &[
    SweptTable { name: "receipts", key: &[Id("source"), Integer("part")], folded_message: Some("message"), page_size: PAGE_SIZE, columns: &[
        ("code", Null), ("title", Null), ("detail", Null), ("failure_key", Null), ("word", Ellipsis), ("recipient", Recipient),
        ("pricing_category", Null), ("pricing_model", Null), ("price", Null), ("pricing_type", Null), ("pricing_currency", Null), ("pricing_raw", Null),
    ] },
    SweptTable { name: "provider_ids", key: &[Text("account"), Text("provider_id")], folded_message: Some("message"), page_size: PAGE_SIZE, columns: &[("provider_id", Row)] },
    SweptTable { name: "messages", key: &[Id("id")], folded_message: Some("id"), page_size: PAGE_SIZE, columns: &[
        ("recipient_name", Null), ("media_url", Null), ("media_id", Null), ("caption", Null), ("reference", Null), ("reference1", Null),
        ("reference2", Null), ("client_reference", Null), ("hold", Null), ("template_values", Values),
    ] },
    SweptTable { name: "attempts", key: &[Id("id")], folded_message: None, page_size: PAGE_SIZE, columns: &[("request", Ellipsis), ("reply", Null), ("detail", Null)] },
    SweptTable { name: "id_conflicts", key: &[Text("account"), Text("provider_id"), Id("claimant")], folded_message: None, page_size: PAGE_SIZE, columns: &[("provider_id", Row)] },
    SweptTable { name: "idempotency_keys", key: &[Text("account"), Text("name")], folded_message: None, page_size: PAGE_SIZE, columns: &[("name", Key), ("warnings", Null)] },
    SweptTable { name: "message_warnings", key: &[Id("message")], folded_message: None, page_size: PAGE_SIZE, columns: &[("warnings", Row)] },
    SweptTable { name: "actions", key: &[Id("id")], folded_message: None, page_size: PAGE_SIZE, columns: &[("actor", Ellipsis), ("detail", Null)] },
    SweptTable { name: "quarantine", key: &[Id("callback"), Integer("part")], folded_message: None, page_size: SMALL_PAGE_SIZE, columns: &[("reason", Ellipsis), ("content", RowOfBytes)] },
    SweptTable { name: "callback_outcomes", key: &[Id("callback")], folded_message: None, page_size: PAGE_SIZE, columns: &[("detail", Ellipsis)] },
    SweptTable { name: "account_events", key: &[Id("callback"), Integer("part")], folded_message: None, page_size: PAGE_SIZE, columns: &[
        ("title", Ellipsis), ("previous", Null), ("current", Null), ("template", Null), ("sender", Null), ("detail", Null),
    ] },
    SweptTable { name: "accounts", key: &[Text("id")], folded_message: None, page_size: PAGE_SIZE, columns: &[("pause_reason", Null), ("constant_id", Null)] },
    SweptTable { name: "send_flows", key: &[Text("account")], folded_message: None, page_size: PAGE_SIZE, columns: &[
        ("slowed_reason", Ellipsis), ("streak_recipients", Ellipsis), ("trip_reason", Ellipsis), ("trip_reply", Null),
    ] },
    SweptTable { name: "campaigns", key: &[Text("id")], folded_message: None, page_size: PAGE_SIZE, columns: &[
        ("name", Ellipsis), ("caption", Null), ("media_url", Null), ("media_id", Null), ("template", Values), ("rejections", Null),
    ] },
];

const RENAMED: &str = "the campaign is renamed if its id names the customer";

/// Columns of text that the sweep leaves out, with the reason.
#[rustfmt::skip]
pub const NOT_SWEPT: &[(&str, &[&str], &str)] = &[
    ("messages", &["campaign"], RENAMED),
    ("messages", &["account", "failure_class", "kind", "link_source", "matched_by", "mime_type", "origin", "provider", "queue", "sender", "state", "wa_source",
        "template_name", "template_language"], "values of our own, names of templates, numbers of the business"),
    ("messages", &["failure_code", "failure_detail", "erased_country", "failure_key", "failure_title", "price", "price_currency", "pricing_category", "pricing_model", "pricing_type", "provider_id"], "follow from receipts and ids"),
    ("messages", &["media_token", "recipient", "recipient_reversed", "upload_path"], "removed with the customer's messages"),
    ("receipts", &["fact", "source_kind", "stage"], "values of our own"),
    ("provider_ids", &["account", "learned_from"], "values of our own"),
    ("attempts", &["outcome"], "values of our own"),
    ("id_conflicts", &["account", "learned_from"], "values of our own"),
    ("idempotency_keys", &["account", "request_hash"], "a hash"),
    ("actions", &["account", "address", "verb"], "values of our own, addresses of users"),
    ("alert_incidents", &["account", "kind", "rule", "summary"], "values of our own, which name no customer"),
    ("alert_notifications", &["body", "last_error", "rule"], "values of our own, which name no customer"),
    ("quarantine", &["account"], "values of our own"),
    ("callback_outcomes", &["account", "outcome"], "values of our own"),
    ("account_events", &["account", "kind"], "values of our own"),
    ("accounts", &["id", "paused_by", "provider"], "values of our own"),
    ("send_flows", &["account", "streak_kind"], "values of our own"),
    ("campaigns", &["id"], RENAMED),
    ("campaigns", &["account", "kind", "mime_type", "sender", "state"], "values of our own, numbers of the business"),
    ("campaign_recipients", &["campaign"], RENAMED),
    ("campaign_recipients", &["content", "row_key"], "removed row by row, with the counts of the campaign"),
    ("callback_hours", &["account"], "values of our own"),
    ("changes", &["account", "state"], "values of our own"),
    ("charge_counts", &["campaign"], RENAMED),
    ("charge_counts", &["account", "category", "country", "currency", "kind", "price", "pricing_type", "sender"], "counts, numbers of the business"),
    ("charge_sums", &["campaign"], RENAMED),
    ("charge_sums", &["account", "category", "country", "currency", "kind", "price", "pricing_type", "sender"], "counts, numbers of the business"),
    ("crashed_callbacks", &["program_version"], "values of our own"),
    ("latency_sums", &["account", "histogram", "kind", "stage"], "values of our own, counts"),
    ("leases", &["name"], "values of our own"),
    ("main_migrations", &["version"], "values of our own"),
    ("message_counts", &["campaign"], RENAMED),
    ("message_counts", &["account", "class", "code", "kind", "origin", "state"], "values of our own, codes"),
    ("message_sums", &["campaign"], RENAMED),
    ("message_sums", &["account", "class", "code", "kind", "origin", "state"], "values of our own, codes"),
    ("person_links", &["account", "identity", "kind", "other"], "deleted by identity"),
    ("recipient_holds", &["account", "recipient"], "deleted by identity"),
    ("sessions", &["address", "browser"], "of users"),
    ("settings", &["name", "value"], "values of our own"),
    ("sign_in_links", &["hash"], "a hash"),
    ("tokens", &["accounts", "hash", "name", "scopes"], "names of programs"),
    ("uploads", &["content"], "files, deleted with the customer's messages"),
    ("users", &["email", "password_hash", "role"], "users, not customers"),
    ("windows", &["account", "phone"], "deleted by identity"),
];

impl Store {
    /// Removes from one table what names the customer; returns the number of changed rows.
    pub async fn sweep_table(
        &self,
        table: &SweptTable,
        sweep: Sweep<'_>,
        now: DateTime<Utc>,
    ) -> Result<u64, Error> {
        let (mut after, mut changed) = (None, 0);
        loop {
            let rows = self
                .pools()
                .query(
                    &table.select(after.is_some()),
                    after.take().unwrap_or_default(),
                )
                .await?;
            let Some(last) = rows.last() else {
                return Ok(changed);
            };
            after = Some(table.read_key(last)?);
            for row in &rows {
                let found = table.find_texts(row, sweep.names_customer)?;
                if !found.is_empty() {
                    self.remove_texts(table, row, &found, sweep, now).await?;
                    changed += 1;
                }
            }
        }
    }

    async fn remove_texts(
        &self,
        table: &SweptTable,
        row: &QueryResult,
        found: &[FoundText],
        sweep: Sweep<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let key = table.read_key(row)?;
        let message: Option<Uuid> = match table.folded_message {
            Some(column) => Some(row.try_get("", column)?),
            None => None,
        };
        let replaced = found.iter().filter_map(|text| text.replacement.clone());
        let values: Vec<Value> = key
            .iter()
            .cloned()
            .chain(replaced.map(Value::from))
            .collect();
        let has = |removal| found.iter().any(|text| text.removal == removal);
        self.change_in_background(now, async |ledger| {
            if has(Key) {
                ledger.hash_key_of(row, sweep.hash).await?;
            }
            if let Some(message) = message.filter(|_| has(Recipient)) {
                let names_customer = |text: &str| (sweep.names_customer)(text.as_bytes());
                ledger.erase_recipients(&[message], &names_customer).await?;
            }
            if let Some(statement) = table.removal_statement(found) {
                execute(ledger.transaction(), &statement, values).await?;
            }
            if let Some(message) = message.map(MessageId::from) {
                ledger.load(&[message]).await?;
                // A message that lacks a part of its content must not be sent.
                if table.name == "messages" && found.iter().any(|text| is_content(text.column)) {
                    ledger.cancel_queued(message);
                }
                ledger.fold_again(message);
            }
            Ok(())
        })
        .await
    }
}

impl Ledger {
    async fn hash_key_of(&self, row: &QueryResult, hash: NameHash<'_>) -> Result<(), Error> {
        let (account, name): (AccountId, String) =
            (row.try_get("", "account")?, row.try_get("", "name")?);
        let row = idempotency_key_row::Entity::find_by_id((account, name));
        match row.one(self.transaction()).await? {
            Some(row) => hash_key(self.transaction(), &row, hash).await,
            None => Ok(()),
        }
    }
}

/// A text that names the customer.
struct FoundText {
    column: &'static str,
    removal: Removal,
    /// The new text, unless it depends on `removal` alone.
    replacement: Option<String>,
}

fn is_content(column: &str) -> bool {
    ["media_url", "media_id", "caption", "template_values"].contains(&column)
}

impl SweptTable {
    fn keys(&self) -> Vec<&'static str> {
        self.key.iter().map(|column| column.name()).collect()
    }

    fn select(&self, is_continued: bool) -> String {
        let keys = self.keys();
        let texts = self.columns.iter().map(|(name, _)| *name);
        let mut columns = keys.clone();
        columns.extend(
            texts
                .chain(self.folded_message)
                .filter(|name| !keys.contains(name)),
        );
        let (columns, keys) = (columns.join(", "), keys.join(", "));
        let after = if is_continued {
            let parameters: Vec<String> = (1..=self.key.len())
                .map(|number| format!("${number}"))
                .collect();
            format!("WHERE ({keys}) > ({})", parameters.join(", "))
        } else {
            String::new()
        };
        format!(
            "SELECT {columns} FROM {} {after} ORDER BY {keys} LIMIT {}",
            self.name, self.page_size
        )
    }

    fn read_key(&self, row: &QueryResult) -> Result<Vec<Value>, Error> {
        self.key.iter().map(|column| column.read(row)).collect()
    }

    fn find_texts(
        &self,
        row: &QueryResult,
        names_customer: NamesCustomer<'_>,
    ) -> Result<Vec<FoundText>, Error> {
        let mut found = Vec::new();
        for (column, removal) in self.columns {
            let (column, removal) = (*column, *removal);
            let text: Option<String> = match removal {
                RowOfBytes => None,
                _ => row.try_get("", column)?,
            };
            let names = match &text {
                Some(text) => names_customer(text.as_bytes()),
                None if removal == RowOfBytes => {
                    let bytes: Vec<u8> = row.try_get("", column)?;
                    names_customer(&bytes)
                }
                None => false,
            };
            if names {
                let values = text.filter(|_| removal == Values);
                found.push(FoundText {
                    column,
                    removal,
                    replacement: values
                        .map(|text| template_values::erase_values(&text, names_customer)),
                });
            }
        }
        Ok(found)
    }

    /// The statement whose parameters are the key and the replacements, in order. `None` if none is
    /// needed.
    fn removal_statement(&self, found: &[FoundText]) -> Option<String> {
        let parameters = (1..).zip(self.keys());
        let conditions: Vec<String> = parameters
            .map(|(number, name)| format!("{name} = ${number}"))
            .collect();
        let condition = conditions.join(" AND ");
        if found
            .iter()
            .any(|text| matches!(text.removal, Row | RowOfBytes))
        {
            return Some(format!("DELETE FROM {} WHERE {condition}", self.name));
        }
        let mut parameter = self.key.len();
        let values = found.iter().filter_map(|text| {
            let value = match text.removal {
                Ellipsis => format!("'{}'", erased_name::TEXT),
                Values => {
                    parameter += 1;
                    format!("${parameter}")
                }
                Null | Row | RowOfBytes => "NULL".to_owned(),
                Recipient | Key => return None,
            };
            Some(format!("{} = {value}", text.column))
        });
        let values: Vec<String> = values.collect();
        (!values.is_empty()).then(|| {
            let values = values.join(", ");
            format!("UPDATE {} SET {values} WHERE {condition}", self.name)
        })
    }
}

impl KeyColumn {
    fn name(self) -> &'static str {
        match self {
            Id(name) | Text(name) | Integer(name) => name,
        }
    }

    fn read(self, row: &QueryResult) -> Result<Value, Error> {
        Ok(match self {
            Id(name) => row.try_get::<Uuid>("", name)?.into(),
            Text(name) => row.try_get::<String>("", name)?.into(),
            Integer(name) => row.try_get::<i32>("", name)?.into(),
        })
    }
}
