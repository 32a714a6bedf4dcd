//! Everything that is stored about one customer, as a zip: messages with their receipts, attempts
//! and actions as JSON, callbacks as received, uploaded files.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;

use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::callback_record::CallbackRecord;
use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::Stage;
use crate::domain::ids::{CallbackId, MessageId, ProviderMessageId};
use crate::domain::media::{Media, MediaKind, MediaSource};
use crate::domain::message::Message;
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::operating::action_context::ActionContext;
use crate::operating::erasure::callback_selection::{CallbackSelection, READ_BYTES, READ_ROWS};
use crate::operating::erasure::erasure_error::ErasureError;
use crate::operating::erasure::identities::{Identities, find_identities};
use crate::operating::erasure::identity_matcher::IdentityMatcher;
use crate::operating::erasure::person_parts::{PersonBody, PersonPartSelector};
use crate::receiving::parsing;
use crate::reporting::message_history::MessageHistory;
use crate::services::Services;
use crate::store::messages::FoundMessage;

/// Messages read at a time.
const BATCH: u64 = 100;
const ABOUT: &str = "\
Everything that Bluetick stores about one customer.

customer.json     the ids of the customer, and until when WhatsApp's 24-hour windows are open
messages.ndjson   one message per line, with receipts, attempts and actions of operators
callbacks.ndjson  one HTTP request of a provider per line; its body is in callbacks/. If the body
                  also reports on others: only the parts about the customer, as JSON
campaign-recipients.ndjson  rows of campaigns whose messages to the customer are not queued yet
uploads/          files that were sent to the customer and are still stored
";

/// What was exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PersonExport {
    pub messages: u64,
    pub callbacks: u64,
}

/// `text` is a phone number, a `wa_id` or a user id. Creates the file (0600), which must not exist.
pub async fn export_person(
    services: &Services,
    text: &str,
    file: &Path,
    context: &ActionContext<'_>,
) -> Result<PersonExport, ErasureError> {
    let identities = find_identities(&services.store, text).await?;
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    let created = created.map_err(ErasureError::at(file))?;
    let mut export = Export {
        services,
        archive: ZipWriter::new(created),
        file,
        messages: BTreeSet::new(),
        message_ids: BTreeSet::new(),
        reporting: BTreeSet::new(),
    };
    export.write_customer(&identities, context.now).await?;
    export.write_messages(&identities).await?;
    let matcher = IdentityMatcher::new(&identities);
    export.write_campaign_rows(&matcher).await?;
    let callbacks = export.write_callbacks(&matcher).await?;
    export.write_uploads()?;
    let exported = PersonExport {
        messages: export.messages.len() as u64,
        callbacks,
    };
    export.finish()?;
    let action = Action {
        detail: Some(format!(
            "messages: {}, callbacks: {callbacks}",
            exported.messages
        )),
        ..Action::new(context.actor, ActionKind::ExportPerson, context.now)
    };
    services.store.record_action(&action).await?;
    Ok(exported)
}

struct Export<'a> {
    services: &'a Services,
    archive: ZipWriter<File>,
    file: &'a Path,
    messages: BTreeSet<MessageId>,
    /// The ids that providers gave these messages.
    message_ids: BTreeSet<String>,
    /// Callbacks that reported on these messages.
    reporting: BTreeSet<CallbackId>,
}

impl Export<'_> {
    fn begin_file(&mut self, name: &str) -> Result<(), ErasureError> {
        let options = SimpleFileOptions::default().unix_permissions(0o600);
        let begun = self.archive.start_file(name, options);
        begun.map_err(|error| self.failed(error))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ErasureError> {
        let written = self.archive.write_all(bytes);
        written.map_err(ErasureError::at(self.file))
    }

    fn failed(&self, error: ZipError) -> ErasureError {
        ErasureError::at(self.file)(io::Error::from(error))
    }

    async fn write_customer(
        &mut self,
        identities: &Identities,
        now: DateTime<Utc>,
    ) -> Result<(), ErasureError> {
        let windows = self.services.store.list_windows_of(&identities.all).await?;
        let windows: Vec<Value> = windows
            .into_iter()
            .map(
                |(account, at)| json!({ "account": account.as_str(), "last_inbound_at": time(at) }),
            )
            .collect();
        let customer = json!({
            "exported_at": time(now),
            "ids": identities.all,
            "last_messages_from_customer": windows,
        });
        self.begin_file("about.txt")?;
        self.write(ABOUT.as_bytes())?;
        self.begin_file("customer.json")?;
        self.write(format!("{customer:#}\n").as_bytes())
    }

    async fn write_messages(&mut self, identities: &Identities) -> Result<(), ErasureError> {
        self.begin_file("messages.ndjson")?;
        let store = &self.services.store;
        let mut after = None;
        loop {
            let batch = store
                .list_messages_to(&identities.all, after, BATCH)
                .await?;
            let Some(last) = batch.last() else {
                return Ok(());
            };
            after = Some(*last);
            let ids = store.list_provider_ids_of(&batch).await?;
            let ids = ids.values().flatten().map(|id| id.as_str().to_owned());
            self.message_ids.extend(ids);
            for id in batch {
                let Some(FoundMessage::Message(message)) = store.find_message(id).await? else {
                    continue;
                };
                let history = MessageHistory::load(store, id).await?;
                let reports = history.receipts.iter();
                let reports = reports.filter(|receipt| receipt.source_kind == SourceKind::Callback);
                self.reporting
                    .extend(reports.map(|receipt| CallbackId::from(receipt.source)));
                self.write(format!("{}\n", message_json(&message, &history)).as_bytes())?;
                self.messages.insert(id);
            }
        }
    }

    async fn write_campaign_rows(&mut self, matcher: &IdentityMatcher) -> Result<(), ErasureError> {
        self.begin_file("campaign-recipients.ndjson")?;
        let mut after = None;
        loop {
            let store = &self.services.store;
            let rows = store.list_all_waiting(after.as_ref(), BATCH).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = Some((last.campaign.clone(), last.position));
            for row in rows {
                let text = row.content.unwrap_or_default();
                let content: Value = serde_json::from_str(&text).unwrap_or_default();
                let to = content.get("to").and_then(Value::as_str);
                if to.is_some_and(|to| matcher.matches(to.as_bytes())) {
                    let row = json!({ "campaign": row.campaign.as_str(), "row": content });
                    self.write(format!("{row}\n").as_bytes())?;
                }
            }
        }
    }

    /// Collects the metadata of all callbacks in memory: it is small.
    async fn write_callbacks(&mut self, matcher: &IdentityMatcher) -> Result<u64, ErasureError> {
        let (messages, reporting) = (self.messages.clone(), self.reporting.clone());
        let message_ids = std::mem::take(&mut self.message_ids);
        let selection = CallbackSelection {
            matcher,
            messages: &messages,
            reporting: &reporting,
        };
        let parts = PersonPartSelector {
            matcher,
            message_ids: &message_ids,
        };
        let journal = &self.services.journal;
        let (mut lines, mut number, mut after) = (String::new(), 0, 0);
        loop {
            let entries = journal.read_after(after, READ_ROWS, READ_BYTES).await?;
            let Some(last) = entries.last() else { break };
            after = last.seq;
            for entry in entries
                .iter()
                .filter(|entry| selection.includes(&entry.record))
            {
                let body = parts.select(parsing::read_documents(&entry.record));
                lines.push_str(&callback_json(&entry.record, &body).to_string());
                lines.push('\n');
                self.write_body(&entry.record, &body)?;
                number += 1;
            }
        }
        self.begin_file("callbacks.ndjson")?;
        self.write(lines.as_bytes())?;
        Ok(number)
    }

    fn write_body(
        &mut self,
        record: &CallbackRecord,
        body: &PersonBody,
    ) -> Result<(), ErasureError> {
        let name = format!("callbacks/{}", record.id);
        match body {
            PersonBody::Whole => {
                self.begin_file(&name)?;
                self.write(&record.body)
            }
            PersonBody::Parts(documents) => {
                self.begin_file(&name)?;
                let lines = documents.iter().map(|document| format!("{document}\n"));
                self.write(lines.collect::<String>().as_bytes())
            }
            PersonBody::Omitted => Ok(()),
        }
    }

    fn write_uploads(&mut self) -> Result<(), ErasureError> {
        for path in self.services.uploads.list_files(&self.messages) {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let mut upload = match File::open(&path) {
                Ok(upload) => upload,
                // It was deleted meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(ErasureError::at(path)(error)),
            };
            self.begin_file(&format!("uploads/{name}"))?;
            io::copy(&mut upload, &mut self.archive).map_err(ErasureError::at(self.file))?;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), ErasureError> {
        let file = self.file;
        let written = self.archive.finish().map_err(io::Error::from);
        let synced = written.and_then(|file| file.sync_all());
        synced.map_err(ErasureError::at(file))
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn message_json(message: &Message, history: &MessageHistory) -> Value {
    let stages = Stage::ALL.into_iter().zip(message.stages);
    let stages: serde_json::Map<String, Value> = stages
        .filter_map(|(stage, at)| Some((stage.as_str().to_owned(), time(at?).into())))
        .collect();
    let media = message.media.as_ref();
    let attempts = history.attempts.iter().map(|attempt| {
        json!({
            "number": attempt.number,
            "started_at": time(attempt.started_at),
            "finished_at": attempt.finished_at.map(time),
            "outcome": attempt.outcome.as_str(),
            "request": attempt.request,
            "reply": attempt.reply,
        })
    });
    let actions = history.actions.iter().map(|action| {
        json!({
            "action": action.kind.as_str(),
            "by": action.actor,
            "at": time(action.happened_at),
            "detail": action.detail,
        })
    });
    json!({
        "id": message.id.to_string(),
        "account": message.account.as_str(),
        "provider": message.provider.as_str(),
        "origin": message.origin.as_str(),
        "from": message.sender,
        "to": message.recipient,
        "name": message.name,
        "kind": message.kind.map(MediaKind::as_str),
        "media_url": media.and_then(media_url),
        "caption": media.and_then(|media| media.caption.clone()),
        "template": message.template.as_ref().map(|template| json!({ "name": template.name, "body": template.body })),
        "refs": [message.references.reference, message.references.reference1, message.references.reference2],
        "client_reference": message.client_reference,
        "campaign": message.campaign.as_ref().map(CampaignId::as_str),
        "provider_id": message.provider_id.as_ref().map(ProviderMessageId::as_str),
        "state": message.state.as_str(),
        "created_at": time(message.created_at),
        "times": stages,
        "receipts": history.receipts.iter().map(receipt_json).collect::<Vec<_>>(),
        "attempts": attempts.collect::<Vec<_>>(),
        "actions": actions.collect::<Vec<_>>(),
    })
}

fn media_url(media: &Media) -> Option<&str> {
    match &media.source {
        MediaSource::Url(url) => Some(url),
        MediaSource::Id(_) | MediaSource::Upload(_) => None,
    }
}

fn receipt_json(receipt: &Receipt) -> Value {
    let (kind, text) = match &receipt.event {
        ReceiptEvent::Stage(stage) => ("stage", stage.as_str().to_owned()),
        ReceiptEvent::Failure(failure) => {
            let parts = [&failure.code, &failure.title, &failure.detail];
            let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
            ("failure", parts.join(" "))
        }
        ReceiptEvent::Other(status) => ("other", status.clone()),
        ReceiptEvent::Notice(text) => ("notice", text.clone()),
    };
    json!({
        "source": receipt.source_kind.as_str(),
        "source_id": receipt.source.to_string(),
        kind: text,
        "occurred_at": receipt.occurred_at.map(time),
        "received_at": time(receipt.received_at),
        "recipient": receipt.recipient,
    })
}

fn callback_json(record: &CallbackRecord, body: &PersonBody) -> Value {
    let file = format!("callbacks/{}", record.id);
    let (file, content) = match body {
        PersonBody::Whole => (Some(file), "as received"),
        PersonBody::Parts(_) => (Some(file), "the parts about the customer"),
        PersonBody::Omitted => (None, "omitted: it may be about others"),
    };
    json!({
        "id": record.id.to_string(),
        "account": record.account.as_str(),
        "received_at": time(record.received_at),
        "method": record.method,
        "query": record.query,
        "headers": record.headers,
        "from_address": record.remote,
        "body": file,
        "body_holds": content,
    })
}
