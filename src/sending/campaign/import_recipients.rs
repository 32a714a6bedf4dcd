//! Reads recipients, checks each like a message, and stores them in groups.

use std::collections::HashSet;
use std::io::{self, BufRead};

use chrono::{DateTime, Utc};
use serde::Serialize;
use thiserror::Error;

use crate::db;
use crate::domain::campaign::{Campaign, CampaignId, CampaignState};
use crate::domain::ids::MessageId;
use crate::domain::message::MessageDraft;
use crate::sending::accept::{Acceptor, InvalidField};
use crate::sending::campaign::recipient_content::{RecipientContent, column_of, row_key};
use crate::sending::campaign::recipient_rows::{
    ROWS_LIMIT, ReadRow, RecipientRows, RowFormat, RowsError,
};
use crate::store::Store;
use crate::store::campaigns::NewRecipient;
use crate::store::ledger::Ledger;

/// Rejected rows that a report lists.
pub const REJECTIONS_LISTED: usize = 1000;
/// Rows of one transaction.
const GROUP: usize = 256;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImportMode {
    /// Checks every row and stores nothing.
    DryRun,
    /// Checks rows until some are valid, and stores nothing.
    UntilValid,
    Apply,
}

/// The outcome of the rows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ImportReport {
    pub accepted: u64,
    /// Rows about a recipient that the campaign or an earlier row already has.
    pub duplicates: u64,
    /// All of them, listed or not.
    pub rejected: u64,
    /// The first [`REJECTIONS_LISTED`].
    pub listed: Vec<RejectedRow>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, serde::Deserialize)]
pub struct RejectedRow {
    /// Counts from 1, a header included.
    pub line: u64,
    pub field: String,
    pub message: String,
}

#[derive(Debug, Error)]
pub enum ImportError {
    #[error("there is no such campaign")]
    UnknownCampaign,
    #[error("{0}")]
    NotPossible(String),
    #[error("{} {}", .0.field, .0.message)]
    Invalid(InvalidField),
    #[error("the recipients cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] db::Error),
}

impl From<RowsError> for ImportError {
    fn from(error: RowsError) -> Self {
        match error {
            RowsError::Header(field) => Self::Invalid(field),
            RowsError::Read(error) => Self::Read(error),
        }
    }
}

/// `progress` gets the rows read so far and the rejected rows since the last call.
pub async fn import(
    store: &Store,
    acceptor: &Acceptor,
    campaign: &Campaign,
    (reader, format): (impl BufRead, RowFormat),
    mode: ImportMode,
    now: DateTime<Utc>,
    progress: &mut impl FnMut(u64, &[RejectedRow]),
) -> Result<ImportReport, ImportError> {
    let mut rows = RecipientRows::open(reader, format)?;
    let mut report = ImportReport::default();
    let mut seen = HashSet::new();
    let mut number = 0;
    loop {
        let (mut group, mut rejections, mut ended) = (Vec::with_capacity(GROUP), Vec::new(), true);
        while let Some(row) = rows.next_row()? {
            number += 1;
            if number > ROWS_LIMIT {
                let message = format!("has more than {ROWS_LIMIT} rows; split the file");
                return Err(ImportError::Invalid(InvalidField::new("rows", message)));
            }
            match check_row(acceptor, campaign, row, now).await? {
                Ok(recipient) => group.push(recipient),
                Err(rejected) => rejections.push(rejected),
            }
            if group.len() + rejections.len() >= GROUP {
                ended = false;
                break;
            }
        }
        let (valid, rejected) = (group.len() as u64, rejections.len() as u64);
        let accepted = match mode {
            ImportMode::DryRun | ImportMode::UntilValid => {
                let known = store.list_known_keys(&campaign.id, &group).await?;
                let new = group
                    .into_iter()
                    .filter(|row| !row.is_among(&known) && seen.insert(row.row_key.clone()));
                new.count() as u64
            }
            ImportMode::Apply => store_group(store, &campaign.id, group, now).await?,
        };
        report.accepted += accepted;
        report.duplicates += valid - accepted;
        report.rejected += rejected;
        progress(number, &rejections);
        let free = REJECTIONS_LISTED - report.listed.len();
        report.listed.extend(rejections.into_iter().take(free));
        if ended || mode == ImportMode::UntilValid && report.accepted > 0 {
            break;
        }
        // The checks of a group block for milliseconds.
        tokio::task::yield_now().await;
    }
    if mode == ImportMode::Apply {
        store_rejections(store, &campaign.id, &report, now).await?;
    }
    Ok(report)
}

async fn check_row(
    acceptor: &Acceptor,
    campaign: &Campaign,
    row: ReadRow,
    now: DateTime<Utc>,
) -> Result<Result<NewRecipient, RejectedRow>, db::Error> {
    let line = row.line;
    let (draft, recipient) = match check_fields(acceptor, campaign, row, now) {
        Ok(checked) => checked,
        Err(rejected) => return Ok(Err(rejected)),
    };
    let closed = acceptor.find_closed_window(&draft, now).await?;
    Ok(match closed {
        Some(error) => Err(RejectedRow {
            line,
            field: column_of(&error.field).to_owned(),
            message: error.message,
        }),
        None => Ok(recipient),
    })
}

fn check_fields(
    acceptor: &Acceptor,
    campaign: &Campaign,
    row: ReadRow,
    now: DateTime<Utc>,
) -> Result<(MessageDraft, NewRecipient), RejectedRow> {
    let line = row.line;
    let reject = |error: &InvalidField| RejectedRow {
        line,
        field: column_of(&error.field).to_owned(),
        message: error.message.clone(),
    };
    let content = row.content.map_err(|error| reject(&error))?;
    if content.to.is_empty() {
        return Err(reject(&InvalidField::new("to", "is missing")));
    }
    let input = content
        .message_input(campaign)
        .map_err(|error| reject(&error))?;
    let checked = acceptor.check(&input, MessageId::new(now));
    let (draft, _) = checked.map_err(|errors| match errors.first() {
        Some(first) => reject(first),
        None => reject(&InvalidField::new("row", "is not valid")),
    })?;
    let row_key = row_key(&draft);
    let recipient = NewRecipient {
        erased_keys: acceptor.erased_row_keys(&campaign.id, &row_key),
        row_key,
        content: to_json(&content),
    };
    Ok((draft, recipient))
}

fn to_json(content: &RecipientContent) -> String {
    // Texts and numbers, so serialising cannot fail.
    serde_json::to_string(content).unwrap_or_default()
}

/// Returns how many are new.
async fn store_group(
    store: &Store,
    id: &CampaignId,
    recipients: Vec<NewRecipient>,
    now: DateTime<Utc>,
) -> Result<u64, ImportError> {
    let given = recipients.len() as u64;
    store
        .change_in_background(now, async |ledger: &mut Ledger| {
            let Some(mut campaign) = ledger.find_campaign(id).await? else {
                return Ok(Err(ImportError::UnknownCampaign));
            };
            if let Some(reason) = campaign.recipient_refusal() {
                let known = ledger.list_known_keys(id, &recipients).await?;
                // A file that is imported twice while its campaign ends has nothing new.
                let has_new = recipients.iter().any(|row| !row.is_among(&known));
                if campaign.state != CampaignState::Done || has_new {
                    return Ok(Err(ImportError::NotPossible(reason)));
                }
                return Ok(Ok(0));
            }
            let added = ledger.add_recipients(id, recipients).await?;
            let counts = &mut campaign.recipients;
            counts.accepted += added;
            counts.duplicates += given - added;
            ledger.update_campaign(&campaign).await?;
            Ok(Ok(added))
        })
        .await?
}

/// Counts accepted recipients as rejected.
pub(super) fn note_rejections(campaign: &mut Campaign, rejected: Vec<RejectedRow>) {
    if rejected.is_empty() {
        return;
    }
    let number = rejected.len() as u64;
    let counts = &mut campaign.recipients;
    counts.rejected += number;
    counts.accepted = counts.accepted.saturating_sub(number);
    let earlier = campaign.rejections.as_deref().unwrap_or("[]");
    let mut listed: Vec<RejectedRow> = serde_json::from_str(earlier).unwrap_or_default();
    listed.extend(rejected);
    listed.truncate(REJECTIONS_LISTED);
    campaign.rejections = serde_json::to_string(&listed).ok();
}

/// Keeps what the campaign's page shows of the last upload.
async fn store_rejections(
    store: &Store,
    id: &CampaignId,
    report: &ImportReport,
    now: DateTime<Utc>,
) -> Result<(), ImportError> {
    let listed = serde_json::to_string(&report.listed).unwrap_or_default();
    store
        .change_in_background(now, async |ledger: &mut Ledger| {
            if let Some(mut campaign) = ledger.find_campaign(id).await? {
                campaign.rejections = (!report.listed.is_empty()).then_some(listed);
                campaign.recipients.rejected = report.rejected;
                ledger.update_campaign(&campaign).await?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}
