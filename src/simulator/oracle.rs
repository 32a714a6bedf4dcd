//! The expected state of every message, computed only from the replies that were sent and the
//! callbacks that were delivered. Shares no code with the fold.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::domain::provider::ProviderId;
use crate::simulator::event_plan::{AcceptedMessage, EventKind};

/// One status of one message, as a callback reports it.
#[derive(Clone, PartialEq, Debug)]
pub struct ReportedStatus {
    pub provider: ProviderId,
    /// Number of the send at its provider, from 1.
    pub ordinal: u64,
    pub(crate) kind: EventKind,
}

impl ReportedStatus {
    /// `sent` … `played`, `failed CODE`, or `other` for an unknown word; `None` for events without
    /// a status: an echo or a customer's reply.
    pub fn description(&self) -> Option<String> {
        Some(match self.kind {
            EventKind::Echo | EventKind::CustomerReply => return None,
            EventKind::Unknown(_) => "other".to_owned(),
            EventKind::Failed(reason) | EventKind::NotSent(reason) => {
                format!("failed {}", reason.code)
            }
            stage => stage.word().to_owned(),
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PostResult {
    /// The response was 2xx.
    Confirmed,
    /// Sent, but there was no reply.
    Unconfirmed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReplyResult {
    /// The documented acceptance.
    Accepted,
    /// Another reply or none, although the message was accepted.
    Other,
}

/// Every accepted message and the statuses delivered for it.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    known: BTreeMap<(&'static str, u64), KnownMessage>,
    changed: bool,
}

#[derive(Debug)]
struct KnownMessage {
    message: AcceptedMessage,
    reply: ReplyResult,
    /// Status words and failure codes with the number of confirmed deliveries.
    event_counts: BTreeMap<(&'static str, Option<&'static str>), u64>,
    /// Statuses in callbacks that may have arrived.
    unconfirmed: u64,
}

impl Oracle {
    pub(crate) fn record_message(&mut self, message: &AcceptedMessage, reply: ReplyResult) {
        self.changed = true;
        self.known.insert(
            (message.provider.as_str(), message.ordinal),
            KnownMessage {
                message: message.clone(),
                reply,
                event_counts: BTreeMap::new(),
                unconfirmed: 0,
            },
        );
    }

    pub(crate) fn record_statuses(&mut self, reported: &[ReportedStatus], result: PostResult) {
        for status in reported {
            let key = (status.provider.as_str(), status.ordinal);
            let Some(known) = self.known.get_mut(&key) else {
                continue;
            };
            self.changed = true;
            let code = status.kind.reason().map(|reason| reason.code);
            match result {
                PostResult::Confirmed => {
                    *known
                        .event_counts
                        .entry((status.kind.word(), code))
                        .or_default() += 1;
                }
                PostResult::Unconfirmed => known.unconfirmed += 1,
            }
        }
    }

    /// One JSON object per message, ordered by provider and ordinal.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.known.values().map(KnownMessage::line).collect()
    }

    /// Writes NDJSON atomically.
    pub(crate) fn write(&mut self, path: &Path) -> io::Result<()> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".part");
        let mut file = io::BufWriter::new(std::fs::File::create(&partial)?);
        for line in self.lines() {
            writeln!(file, "{line}")?;
        }
        file.flush()?;
        std::fs::rename(&partial, path)?;
        self.changed = false;
        Ok(())
    }

    /// Whether anything was recorded since the last write.
    pub(crate) fn has_changed(&self) -> bool {
        self.changed
    }
}

impl KnownMessage {
    fn has(&self, word: &str) -> bool {
        self.event_counts.keys().any(|(known, _)| *known == word)
    }

    fn state(&self) -> &'static str {
        let highest = ["played", "read", "delivered"]
            .into_iter()
            .find(|word| self.has(word));
        match highest {
            Some(word) => word,
            None if self.has("failed") || self.has("not sent") => "failed",
            None if self.has("sent") => "sent",
            None if self.reply == ReplyResult::Accepted => "submitted",
            None => "uncertain",
        }
    }

    fn line(&self) -> Value {
        let message = &self.message;
        let state = self.state();
        let codes: Vec<&str> = self
            .event_counts
            .keys()
            .filter_map(|(_, code)| *code)
            .collect();
        let arrived = matches!(state, "delivered" | "read" | "played");
        let event_counts: BTreeMap<String, u64> = self
            .event_counts
            .iter()
            .map(|((word, code), count)| {
                let name = code.map_or_else(|| (*word).to_owned(), |code| format!("{word} {code}"));
                (name, *count)
            })
            .collect();
        json!({
            "provider": message.provider.as_str(),
            "ordinal": message.ordinal,
            "recipient": message.recipient,
            "kind": message.kind.as_str(),
            "references": message.references,
            "reply_ids": message.reply_ids,
            "reply": match self.reply {
                ReplyResult::Accepted => "accepted",
                ReplyResult::Other => "something else",
            },
            "callback_ids": [message.wamid, message.second_id],
            "state": state,
            "conflict": arrived && !codes.is_empty(),
            "failure_codes": codes,
            "facts": event_counts,
            // Statuses that may have arrived. If not 0, `state` is a lower bound.
            "doubtful": self.unconfirmed,
        })
    }
}
