//! Fills the demo's database with past days: messages submitted to the simulated providers in
//! memory, and their callbacks, which the reconciler processes like any others.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use futures_util::future::try_join_all;

use crate::cli::command_error::CommandError;
use crate::cli::progress::ProgressLine;
use crate::db;
use crate::domain::callback_record::{Authenticity, CallbackRecord, Route};
use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::domain::media::{Media, MediaSource};
use crate::domain::message::{MessageDraft, Origin, OutgoingMessage, References, SendOptions};
use crate::domain::phone::PhoneNumber;
use crate::domain::provider::ProviderId;
use crate::providers::{self, CallBody, HttpCall, HttpReply, SendStep};
use crate::receiving::reconcile::ReconcileStep;
use crate::sending::transcript;
use crate::services::Services;
use crate::simulator::history::{History, HistoryAccount, PastCallback, PastMessage};
use crate::simulator::{ReceivedRequest, Settings};
use crate::store::past_submissions::PastSubmission;

/// Shorter than the retention of callbacks.
pub(super) const MAX_DAYS: i64 = 60;
/// Callbacks that share a commit of the journal.
const CALLBACKS_PER_COMMIT: usize = 256;

/// Parses `30d`.
pub(super) fn parse_days(text: &str) -> Result<i64, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    days.filter(|days| (1..=MAX_DAYS).contains(days))
        .ok_or_else(|| format!("must be a number of days from 1d to {MAX_DAYS}d"))
}

/// Adds the messages of this many days before `now`, and returns their number. Nothing else may
/// write meanwhile.
pub(super) async fn fill(
    services: &Services,
    settings: Settings,
    days: i64,
    now: DateTime<Utc>,
) -> Result<u64, CommandError> {
    let accounts = services.accounts.values().map(|account| HistoryAccount {
        id: account.id.clone(),
        provider: account.provider(),
        sender: account.senders.first().cloned().unwrap_or_default(),
    });
    let history = History {
        settings,
        accounts: accounts.collect(),
        end: now,
    };
    let events = history.account_events().into_iter();
    let mut writer = HistoryWriter {
        services,
        waiting: events
            .map(|(account, callback)| record(account.id, Route::Callback, callback))
            .collect(),
        history,
    };
    let progress = ProgressLine::with_total()?;
    let total = u64::try_from(days).unwrap_or_default();
    let begin = (now - TimeDelta::days(days)).duration_trunc(TimeDelta::hours(1))?;
    let mut ordinal = 0;
    for day in 0..=days {
        let since = begin + TimeDelta::days(day);
        writer.add_day(since, &mut ordinal).await?;
        let done = u64::try_from(day).unwrap_or_default().min(total);
        progress.update_of(done, total, "days of history");
    }
    services.store.set_past_change_times().await?;
    progress.finish();
    Ok(ordinal)
}

struct HistoryWriter<'a> {
    services: &'a Services,
    history: History,
    /// Callbacks that arrive on a later day.
    waiting: Vec<CallbackRecord>,
}

impl HistoryWriter<'_> {
    async fn add_day(
        &mut self,
        since: DateTime<Utc>,
        ordinal: &mut u64,
    ) -> Result<(), CommandError> {
        for number in 0..24 {
            let hour = since + TimeDelta::hours(number);
            if hour < self.history.end {
                let messages = self.history.messages_in_hour(hour, ordinal);
                self.add_messages(&messages).await?;
            }
        }
        let end = since + TimeDelta::days(1);
        let (mut arrived, later) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|callback| callback.received_at < end);
        self.waiting = later;
        arrived.sort_by_key(|callback| callback.received_at);
        while !arrived.is_empty() {
            let rest = arrived.split_off(arrived.len().min(CALLBACKS_PER_COMMIT));
            try_join_all(arrived.into_iter().map(|callback| self.append(callback))).await?;
            arrived = rest;
        }
        self.reconcile().await?;
        Ok(())
    }

    async fn add_messages(&mut self, messages: &[PastMessage]) -> Result<(), CommandError> {
        let mut submissions = Vec::with_capacity(messages.len());
        for message in messages {
            submissions.push(self.submit(message)?);
        }
        let Some(last) = submissions.last() else {
            return Ok(());
        };
        let now = last.submitted_at;
        self.services
            .store
            .add_past_submissions(&submissions, now)
            .await?;
        Ok(())
    }

    /// Submits a message to its simulated provider, and keeps the callbacks for later.
    fn submit(&mut self, message: &PastMessage) -> Result<PastSubmission, CommandError> {
        let services = self.services;
        let id = MessageId::new(message.accepted_at);
        let account = services
            .accounts
            .get(&message.account.id)
            .ok_or("an account of the history is not configured")?;
        let token = services.keys.report_token(&account.id, id);
        let outgoing = OutgoingMessage {
            id,
            draft: draft(message)?,
            report_url: format!("{}/reports/{token}", services.config.public_url),
        };
        let provider = providers::get(account.provider());
        let SendStep::Call(call) = provider.send(account, &outgoing, &[]) else {
            return Err("a provider refused a message of the history".into());
        };
        let request = received_request(account.provider(), &call)?;
        let reply = self.history.reply(message, &request);
        let http_reply = HttpReply {
            status: reply.status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: reply.body,
        };
        let step = provider.send(account, &outgoing, std::slice::from_ref(&http_reply));
        let SendStep::Accepted(accepted) = step else {
            return Err("a simulated provider refused a message of the history".into());
        };
        for callback in reply.callbacks {
            let route = match account.provider() {
                ProviderId::Zixflow if callback.is_status => Route::Report(id),
                _ => Route::Callback,
            };
            self.waiting
                .push(record(account.id.clone(), route, callback));
        }
        Ok(PastSubmission {
            id,
            accepted_at: message.accepted_at,
            submitted_at: message.submitted_at,
            provider_ids: accepted.ids,
            request: transcript::format_request(&call, account, &[&token]),
            reply: transcript::format_reply(&http_reply, account, &[&token]),
            http_status: http_reply.status,
            silence_limit: TimeDelta::from_std(account.report_deadline)?,
            draft: outgoing.draft,
        })
    }

    async fn append(&self, callback: CallbackRecord) -> Result<(), db::Error> {
        let journal = &self.services.journal;
        let permit = journal.reserve(callback.body.len()).await?;
        journal.append(callback, permit).await
    }

    async fn reconcile(&self) -> Result<(), CommandError> {
        loop {
            match self.services.reconciler.step().await? {
                ReconcileStep::Applied {
                    caught_up: true, ..
                } => return Ok(()),
                ReconcileStep::Applied { .. } => {}
                ReconcileStep::LeaseHeldElsewhere => {
                    return Err("another process serves the demo's database".into());
                }
            }
        }
    }
}

fn draft(message: &PastMessage) -> Result<MessageDraft, CommandError> {
    let references = match message.account.provider {
        ProviderId::Kaleyra => References {
            reference: Some(message.order.clone()),
            ..References::default()
        },
        _ => References::default(),
    };
    Ok(MessageDraft {
        account: message.account.id.clone(),
        provider: message.account.provider,
        origin: Origin::Api,
        sender: Some(message.account.sender.clone()),
        recipient: PhoneNumber::parse(&message.recipient)?,
        name: Some(message.name.clone()),
        media: Media {
            kind: message.kind,
            source: MediaSource::Url(message.url.clone()),
            mime_type: Some(message.mime_type.to_owned()),
            caption: Some(message.caption.clone()),
        },
        references,
        client_reference: Some(message.order.clone()),
        options: SendOptions::default(),
        resend_of: None,
        campaign: None,
        template: None,
    })
}

/// The request as the simulated provider receives it.
fn received_request(
    provider: ProviderId,
    call: &HttpCall,
) -> Result<ReceivedRequest, CommandError> {
    let url = url::Url::parse(&call.url)?;
    let headers = call.headers.iter();
    Ok(ReceivedRequest {
        provider,
        method: call.method.to_string(),
        path: url.path().to_owned(),
        query: url.query().unwrap_or_default().to_owned(),
        headers: headers
            .map(|header| (header.name.to_owned(), header.value.clone()))
            .collect(),
        body: match &call.body {
            CallBody::Json(text) => text.clone().into_bytes(),
            CallBody::Empty | CallBody::Multipart { .. } => Vec::new(),
        },
    })
}

fn record(account: AccountId, route: Route, callback: PastCallback) -> CallbackRecord {
    CallbackRecord {
        id: CallbackId::new(callback.received_at),
        account,
        route,
        method: "POST".to_owned(),
        query: String::new(),
        headers: vec![("content-type".to_owned(), callback.content_type.to_owned())],
        remote: Some("127.0.0.1".to_owned()),
        received_at: callback.received_at,
        body: callback.body,
        authenticity: Authenticity::Verified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_given_in_days() {
        assert_eq!(parse_days("30d"), Ok(30));
        for wrong in ["", "30", "0d", "61d", "-1d", "2w", "d"] {
            assert!(parse_days(wrong).is_err(), "{wrong}");
        }
    }
}
