//! The history of one message, and its timeline: attempts, actions and receipts in the order of our
//! clock.

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::audit_action::Action;
use crate::domain::ids::MessageId;
use crate::domain::receipt::Receipt;
use crate::store::Store;
use crate::store::attempts::Attempt;

#[derive(Clone, Debug, Default)]
pub struct MessageHistory {
    pub receipts: Vec<Receipt>,
    pub attempts: Vec<Attempt>,
    pub actions: Vec<Action>,
}

#[derive(Clone, Copy, Debug)]
pub enum TimelineEvent<'a> {
    Attempt(&'a Attempt),
    Action(&'a Action),
    Receipt {
        receipt: &'a Receipt,
        /// How many equal receipts there are, this one included.
        count: u64,
    },
}

impl TimelineEvent<'_> {
    /// By our clock.
    pub fn at(self) -> DateTime<Utc> {
        match self {
            Self::Attempt(attempt) => attempt.started_at,
            Self::Action(action) => action.happened_at,
            Self::Receipt { receipt, .. } => receipt.received_at,
        }
    }
}

impl MessageHistory {
    pub async fn load(store: &Store, message: MessageId) -> Result<Self, db::Error> {
        Ok(Self {
            receipts: store.list_receipts(message).await?,
            attempts: store.list_attempts(message).await?,
            actions: store.list_actions_of(message).await?,
        })
    }

    /// Every event. Of the same instant, attempts come first, then actions, then receipts.
    pub fn timeline(&self) -> Vec<TimelineEvent<'_>> {
        let receipts = self.receipts.iter();
        self.sort(receipts.map(|receipt| TimelineEvent::Receipt { receipt, count: 1 }))
    }

    /// The timeline with equal receipts as one event, and without the receipts of actions.
    pub fn condensed_timeline(&self) -> Vec<TimelineEvent<'_>> {
        self.sort(self.distinct_receipts().into_iter())
    }

    fn sort<'a>(
        &'a self,
        receipts: impl Iterator<Item = TimelineEvent<'a>>,
    ) -> Vec<TimelineEvent<'a>> {
        let attempts = self.attempts.iter().map(TimelineEvent::Attempt);
        let actions = self.actions.iter().map(TimelineEvent::Action);
        let mut events: Vec<_> = attempts.chain(actions).chain(receipts).collect();
        // A stable sort keeps the order of kinds within an instant.
        events.sort_by_key(|event| event.at());
        events
    }

    /// Equal receipts are merged into the one that was received first.
    fn distinct_receipts(&self) -> Vec<TimelineEvent<'_>> {
        let mut reported: Vec<&Receipt> = self
            .receipts
            .iter()
            .filter(|receipt| !self.is_action(receipt))
            .collect();
        reported.sort_by_key(|receipt| (receipt.received_at, receipt.source, receipt.part));
        let mut distinct: Vec<(&Receipt, u64)> = Vec::new();
        for receipt in reported {
            let equal = distinct.iter_mut().find(|(first, _)| {
                first.event == receipt.event
                    && first.occurred_at == receipt.occurred_at
                    && first.recipient == receipt.recipient
                    && first.source_kind == receipt.source_kind
            });
            match equal {
                Some((_, count)) => *count += 1,
                None => distinct.push((receipt, 1)),
            }
        }
        distinct
            .into_iter()
            .map(|(receipt, count)| TimelineEvent::Receipt { receipt, count })
            .collect()
    }

    fn is_action(&self, receipt: &Receipt) -> bool {
        self.actions
            .iter()
            .any(|action| action.id.uuid() == receipt.source)
    }
}
