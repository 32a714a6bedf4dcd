//! Finds the message of every row of a provider's file, and what differs.

use std::collections::{HashMap, HashSet};
use std::pin::pin;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt;
use strum::{IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::db;
use crate::domain::cost::Cost;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::enum_words::enum_words;
use crate::domain::ids::{AccountId, MessageId, ProviderMessageId};
use crate::domain::message::{MATCH_WINDOW, Origin};
use crate::domain::provider::ProviderId;
use crate::domain::recipient_spelling::spellings;
use crate::reporting::costs::Costs;
use crate::reporting::export::{PricedMessage, priced_pages};
use crate::reporting::settlement::provider_file::{FileState, ProviderFile, ProviderRow};
use crate::store::messages::{ExportedMessage, MessageFilter};

/// Messages sent up to this long before or after the period may be in the file too.
const MARGIN: TimeDelta = TimeDelta::days(1);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ComparisonRequest {
    pub provider: ProviderId,
    pub account: Option<AccountId>,
    /// Our messages sent at or after this time should be in the file.
    pub from: DateTime<Utc>,
    /// Exclusive.
    pub to: DateTime<Utc>,
    /// The most messages of ours that are compared, because they are kept in memory.
    pub message_limit: Option<usize>,
}

#[derive(Debug, Error)]
pub enum CompareError {
    #[error(
        "covers days with more than {0} messages of ours; split it, or use `bluetick report diff`"
    )]
    TooManyMessages(usize),
    #[error(transparent)]
    Store(#[from] db::Error),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum DifferenceKind {
    /// Submitted, and not in the file.
    OnlyOurs,
    /// In the file, but not a message of ours, or a repeated row.
    OnlyTheirs,
    State,
    Cost,
}
enum_words!(DifferenceKind);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    pub kind: DifferenceKind,
    /// The line of the file.
    pub line: Option<u64>,
    pub their_id: Option<String>,
    pub our_id: Option<MessageId>,
    pub recipient: Option<String>,
    pub ours: String,
    pub theirs: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// Ordered by kind, then as in the file or by time.
    pub differences: Vec<Difference>,
    /// Rows with a message.
    pub matched: u64,
    pub rows: u64,
}

/// A message of ours without a row yet.
struct UnmatchedMessage {
    id: MessageId,
    recipient: Option<String>,
    /// When it was submitted, else when its first attempt began, else its creation.
    sent_at: DateTime<Utc>,
    state: DeliveryState,
    cost: Cost,
    was_submitted: bool,
}

struct Matcher<'a> {
    file: &'a ProviderFile,
    by_id: HashMap<&'a str, usize>,
    by_tag: HashMap<MessageId, usize>,
    matched_rows: HashSet<usize>,
    differences: Vec<Difference>,
    matched: u64,
}

/// A row belongs to the message with its id, else to the message that its reference names. If no row
/// was matched so, or a row has neither, the recipient and the nearest time decide.
pub async fn compare(
    costs: &Costs,
    file: &ProviderFile,
    request: &ComparisonRequest,
) -> Result<Comparison, CompareError> {
    let mut matcher = Matcher::new(file);
    let filter = MessageFilter {
        provider: Some(request.provider),
        account: request.account.clone(),
        counted_after: Some(request.from - MARGIN),
        counted_before: Some(request.to + MARGIN),
        ..MessageFilter::default()
    };
    let mut pages = pin!(priced_pages(costs.clone(), filter));
    let mut unmatched: Vec<UnmatchedMessage> = Vec::new();
    let mut compared = 0;
    while let Some(page) = pages.try_next().await? {
        compared += page.len();
        if let Some(limit) = request.message_limit.filter(|limit| compared > *limit) {
            return Err(CompareError::TooManyMessages(limit));
        }
        let ids: Vec<MessageId> = page.iter().map(|row| row.message.id).collect();
        let mut known = costs.store.list_provider_ids_of(&ids).await?;
        for PricedMessage { message, cost } in page {
            let ids = known.remove(&message.id).unwrap_or_default();
            let ours = UnmatchedMessage::of(&message, cost, !ids.is_empty());
            match matcher.find(&ours, &ids) {
                Some(row) => matcher.match_row(row, &ours),
                None if message.origin != Origin::DryRun => unmatched.push(ours),
                None => {}
            }
        }
    }
    let rest = matcher.match_by_recipient(unmatched);
    Ok(matcher.finish(rest, request))
}

impl UnmatchedMessage {
    fn of(message: &ExportedMessage, cost: Cost, has_id: bool) -> Self {
        Self {
            id: message.id,
            recipient: message.recipient.clone(),
            sent_at: message.submitted_at.unwrap_or(message.counted_at),
            state: message.state,
            cost,
            was_submitted: has_id || message.submitted_at.is_some(),
        }
    }
}

impl<'a> Matcher<'a> {
    fn new(file: &'a ProviderFile) -> Self {
        let mut matcher = Self {
            file,
            by_id: HashMap::new(),
            by_tag: HashMap::new(),
            matched_rows: HashSet::new(),
            differences: Vec::new(),
            matched: 0,
        };
        for (index, row) in file.rows.iter().enumerate() {
            if let Some(tagged) = row.tagged {
                matcher.by_tag.entry(tagged).or_insert(index);
            }
            let Some(id) = row.id.as_deref() else {
                continue;
            };
            if let Some(first) = matcher.by_id.get(id) {
                let line = file.rows[*first].line;
                matcher.matched_rows.insert(index);
                matcher.add_unmatched_row(row, format!("repeats line {line}"));
                continue;
            }
            matcher.by_id.insert(id, index);
            matcher.by_id.entry(without_part(id)).or_insert(index);
        }
        matcher
    }

    fn find(&self, ours: &UnmatchedMessage, ids: &[ProviderMessageId]) -> Option<usize> {
        let by_id = ids.iter().find_map(|id| {
            let id = id.as_str();
            self.by_id
                .get(id)
                .or_else(|| self.by_id.get(without_part(id)))
        });
        let found = by_id.or_else(|| self.by_tag.get(&ours.id));
        found
            .copied()
            .filter(|row| !self.matched_rows.contains(row))
    }

    fn match_row(&mut self, index: usize, ours: &UnmatchedMessage) {
        self.matched_rows.insert(index);
        self.matched += 1;
        let row = &self.file.rows[index];
        let difference = |kind, ours_text: String, theirs: String| Difference {
            kind,
            line: Some(row.line),
            their_id: row.id.clone(),
            our_id: Some(ours.id),
            recipient: row.to.clone().or_else(|| ours.recipient.clone()),
            ours: ours_text,
            theirs,
        };
        // A row without a state was accepted by the provider.
        let state = row.state.unwrap_or(FileState::Sent);
        if self.file.has_state && state != state_in_file(ours.state) {
            let theirs = row.state.map_or("", FileState::as_str);
            let theirs = row.status.clone().unwrap_or_else(|| theirs.to_owned());
            let ours = ours.state.as_str().to_owned();
            self.differences
                .push(difference(DifferenceKind::State, ours, theirs));
        }
        if self.file.has_cost && !is_same_cost(&ours.cost, row) {
            let theirs = row.cost.unwrap_or_default().normalize();
            let theirs = with_currency(&theirs.to_string(), row.currency.as_deref());
            let ours = cost_text(&ours.cost);
            self.differences
                .push(difference(DifferenceKind::Cost, ours, theirs));
        }
    }

    /// Matches by recipient and nearest time, within the window that also applies to reports without id.
    /// Returns the messages that remain.
    fn match_by_recipient(&mut self, unmatched: Vec<UnmatchedMessage>) -> Vec<UnmatchedMessage> {
        let none_matched = self.matched == 0;
        let mut by_recipient: HashMap<String, Vec<usize>> = HashMap::new();
        for (position, ours) in unmatched.iter().enumerate() {
            if let Some(recipient) = &ours.recipient {
                by_recipient
                    .entry(recipient.clone())
                    .or_default()
                    .push(position);
            }
        }
        let mut unmatched: Vec<Option<UnmatchedMessage>> =
            unmatched.into_iter().map(Some).collect();
        for (index, row) in self.file.rows.iter().enumerate() {
            let may_match = none_matched || row.id.is_none() && row.tagged.is_none();
            let (Some(to), Some(time)) = (&row.to, row.time) else {
                continue;
            };
            if !may_match || self.matched_rows.contains(&index) {
                continue;
            }
            let same = spellings(to)
                .into_iter()
                .filter_map(|to| by_recipient.get(&to));
            let nearest = same
                .flatten()
                .filter_map(|position| {
                    let distance = (unmatched[*position].as_ref()?.sent_at - time).abs();
                    Some((distance, *position)).filter(|_| distance <= MATCH_WINDOW)
                })
                .min();
            if let Some(ours) = nearest.and_then(|(_, position)| unmatched[position].take()) {
                self.match_row(index, &ours);
            }
        }
        unmatched.into_iter().flatten().collect()
    }

    fn add_unmatched_row(&mut self, row: &ProviderRow, theirs: String) {
        self.differences.push(Difference {
            kind: DifferenceKind::OnlyTheirs,
            line: Some(row.line),
            their_id: row.id.clone(),
            our_id: None,
            recipient: row.to.clone(),
            ours: String::new(),
            theirs,
        });
    }

    fn finish(
        mut self,
        unmatched: Vec<UnmatchedMessage>,
        request: &ComparisonRequest,
    ) -> Comparison {
        for (index, row) in self.file.rows.iter().enumerate() {
            if !self.matched_rows.contains(&index) {
                let state = row.state.map_or("", FileState::as_str);
                self.add_unmatched_row(row, row.status.clone().unwrap_or_else(|| state.to_owned()));
            }
        }
        let missing = unmatched.into_iter().filter(|ours| {
            ours.was_submitted && (request.from..request.to).contains(&ours.sent_at)
        });
        let mut missing: Vec<UnmatchedMessage> = missing.collect();
        missing.sort_by_key(|ours| (ours.sent_at, ours.id));
        self.differences
            .extend(missing.into_iter().map(|ours| Difference {
                kind: DifferenceKind::OnlyOurs,
                line: None,
                their_id: None,
                our_id: Some(ours.id),
                recipient: ours.recipient,
                ours: ours.state.as_str().to_owned(),
                theirs: String::new(),
            }));
        self.differences
            .sort_by_key(|difference| (difference.kind, difference.line));
        Comparison {
            differences: self.differences,
            matched: self.matched,
            rows: self.file.rows.len() as u64,
        }
    }
}

/// Kaleyra adds `:0`, the number of the part, to its ids in some places.
fn without_part(id: &str) -> &str {
    match id.rsplit_once(':') {
        Some((id, part)) if part.bytes().all(|digit| digit.is_ascii_digit()) => id,
        _ => id,
    }
}

fn state_in_file(state: DeliveryState) -> FileState {
    match state {
        DeliveryState::Delivered => FileState::Delivered,
        DeliveryState::Read | DeliveryState::Played => FileState::Read,
        DeliveryState::Failed | DeliveryState::Cancelled => FileState::Failed,
        DeliveryState::Queued
        | DeliveryState::Sending
        | DeliveryState::Uncertain
        | DeliveryState::Submitted
        | DeliveryState::Sent => FileState::Sent,
    }
}

/// No amount is an amount of zero. Currencies are compared where both are known.
fn is_same_cost(ours: &Cost, row: &ProviderRow) -> bool {
    let currencies = ours.currency.as_deref().zip(row.currency.as_deref());
    ours.amount.unwrap_or_default() == row.cost.unwrap_or_default()
        && currencies.is_none_or(|(ours, theirs)| ours == theirs)
}

fn cost_text(cost: &Cost) -> String {
    match cost.amount {
        Some(amount) => with_currency(&amount.to_string(), cost.currency.as_deref()),
        None => cost.basis.as_str().to_owned(),
    }
}

fn with_currency(amount: &str, currency: Option<&str>) -> String {
    currency.map_or_else(
        || amount.to_owned(),
        |currency| format!("{amount} {currency}"),
    )
}
