//! Messages of any time in any state, without a provider.

use std::collections::BTreeMap;

use bluetick::domain::delivery_state::Stage;
use bluetick::domain::ids::{MessageId, ProviderMessageId};
use bluetick::domain::media::{Media, MediaKind, MediaSource};
use bluetick::domain::message::{MessageDraft, Origin, References, SendOptions};
use bluetick::domain::phone::PhoneNumber;
use bluetick::domain::provider::ProviderId;
use bluetick::domain::receipt::{Pricing, Receipt, ReceiptEvent, SourceKind};
use bluetick::store::ledger::LearnedFrom;
use bluetick::store::message_acceptance::Acceptance;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::harness::app::{App, KALEYRA};

/// Writes to the store, as the program does.
pub(crate) trait SeededMessages {
    async fn accept(&self, account: &str, to: &str, created_at: DateTime<Utc>) -> MessageId;
    async fn deliver(&self, messages: &[(MessageId, Pricing)]);
    async fn deliver_one(
        &self,
        account: &str,
        to: &str,
        created_at: &str,
        pricing: Pricing,
    ) -> MessageId;
    async fn exported(&self, query: &str) -> Vec<BTreeMap<String, String>>;
    async fn accept_draft(&self, draft: &MessageDraft, created_at: DateTime<Utc>) -> MessageId;
    async fn report(&self, id: MessageId, provider_id: &str, event: ReceiptEvent);
}

impl SeededMessages for App {
    async fn accept(&self, account: &str, to: &str, created_at: DateTime<Utc>) -> MessageId {
        self.accept_draft(&draft(account, to), created_at).await
    }

    async fn accept_draft(&self, draft: &MessageDraft, created_at: DateTime<Utc>) -> MessageId {
        let id = MessageId::new(created_at);
        let acceptance = Acceptance {
            id,
            draft,
            key: None,
            action: None,
            max_queue_time: TimeDelta::hours(1),
            silence_limit: TimeDelta::hours(24),
            warnings: &[],
        };
        self.services
            .store
            .accept(acceptance, created_at)
            .await
            .unwrap();
        id
    }

    /// Each is reported as delivered, with this pricing.
    async fn deliver(&self, messages: &[(MessageId, Pricing)]) {
        let store = &self.services.store;
        let mut ledger = store.ledger(self.now()).await.unwrap();
        let ids: Vec<MessageId> = messages.iter().map(|(id, _)| *id).collect();
        ledger.load(&ids).await.unwrap();
        for (id, pricing) in messages {
            let created_at = ledger.find(*id).unwrap().unwrap().created_at;
            let receipt = Receipt {
                source_kind: SourceKind::Callback,
                source: Uuid::from_u128(id.uuid().as_u128() ^ 1),
                part: 0,
                event: ReceiptEvent::Stage(Stage::Delivered),
                occurred_at: Some(created_at + TimeDelta::seconds(5)),
                zone_assumed: false,
                received_at: created_at + TimeDelta::seconds(6),
                recipient: None,
                pricing: pricing.clone(),
            };
            ledger.add(*id, receipt).unwrap();
        }
        store.commit(ledger).await.unwrap();
    }

    async fn deliver_one(
        &self,
        account: &str,
        to: &str,
        created_at: &str,
        pricing: Pricing,
    ) -> MessageId {
        let created_at = created_at.parse().unwrap();
        let id = self.accept(account, to, created_at).await;
        self.deliver(&[(id, pricing)]).await;
        id
    }

    async fn exported(&self, query: &str) -> Vec<BTreeMap<String, String>> {
        let url = format!("/api/v1/reports/messages.csv?{query}");
        let body = self
            .request("GET", &url)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let mut reader = csv::Reader::from_reader(&body[..]);
        reader.deserialize().map(Result::unwrap).collect()
    }

    /// A submitted message with an id of the provider, and what was reported of it then.
    async fn report(&self, id: MessageId, provider_id: &str, event: ReceiptEvent) {
        let store = &self.services.store;
        let mut ledger = store.ledger(self.now()).await.unwrap();
        ledger.load(&[id]).await.unwrap();
        let message = ledger.find(id).unwrap().unwrap();
        let provider_id = ProviderMessageId::parse(provider_id).unwrap();
        ledger
            .load_holders(&[(message.account.clone(), provider_id.clone())])
            .await
            .unwrap();
        ledger
            .bind(id, &message.account, &provider_id, LearnedFrom::Reply)
            .await
            .unwrap();
        for (part, event) in (2..).zip([ReceiptEvent::Stage(Stage::Submitted), event]) {
            let receipt = Receipt {
                part,
                event,
                ..Receipt::ours(
                    SourceKind::Callback,
                    Uuid::from_u128(id.uuid().as_u128() ^ 1),
                    ReceiptEvent::Stage(Stage::Submitted),
                    message.created_at,
                )
            };
            ledger.add(id, receipt).unwrap();
        }
        store.commit(ledger).await.unwrap();
    }
}

/// An image.
pub(crate) fn draft(account: &str, to: &str) -> MessageDraft {
    MessageDraft {
        account: account.parse().unwrap(),
        provider: if account == KALEYRA {
            ProviderId::Kaleyra
        } else {
            ProviderId::Sobot
        },
        origin: Origin::Api,
        sender: Some("+919000000002".to_owned()),
        recipient: PhoneNumber::parse(to).unwrap(),
        name: None,
        media: Media {
            kind: MediaKind::Image,
            source: MediaSource::Url("https://media.example.com/a.jpg".to_owned()),
            mime_type: None,
            caption: None,
        },
        references: References::default(),
        client_reference: None,
        options: SendOptions::default(),
        resend_of: None,
        campaign: None,
        template: None,
    }
}
