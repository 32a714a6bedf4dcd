//! Traffic of past days for the demo: the shop's messages, the providers' replies, and the
//! callbacks that followed.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::provider::ProviderId;
use crate::simulator::demo_shop::{COUNTRIES, DEMO_MESSAGES};
use crate::simulator::event_plan::{AcceptedMessage, EventKind, PlannedEvent};
use crate::simulator::exchange::ReceivedRequest;
use crate::simulator::history_shape::{HistorySubmission, count_in_hour, is_two_parcel_hour};
use crate::simulator::seeded_rng::SeededRng;
use crate::simulator::settings::Settings;
use crate::simulator::simulated_provider::{ApiCall, CallbackBody};
use crate::simulator::simulated_providers;

/// Added to the numbers of past messages, so that orders and recipients differ from those of live
/// traffic.
const FIRST_ORDER: u64 = 20_000;
const HOUR_MILLIS: f64 = 3_600_000.0;
/// Pause between the two messages of an order in two parcels; shorter than the delay of any
/// callback.
const PARCEL_PAUSE: TimeDelta = TimeDelta::milliseconds(60);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryAccount {
    pub id: AccountId,
    pub provider: ProviderId,
    /// `+` and digits.
    pub sender: String,
}

#[derive(Clone, Debug)]
pub struct History {
    pub settings: Settings,
    pub accounts: Vec<HistoryAccount>,
    /// When the history ends.
    pub end: DateTime<Utc>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PastMessage {
    /// Its number in the history, from 1.
    pub ordinal: u64,
    pub account: HistoryAccount,
    pub accepted_at: DateTime<Utc>,
    /// When the provider accepted it.
    pub submitted_at: DateTime<Utc>,
    /// `+` and digits.
    pub recipient: String,
    pub name: String,
    pub kind: MediaKind,
    pub mime_type: &'static str,
    pub url: String,
    pub caption: String,
    pub order: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PastReply {
    pub status: u16,
    pub body: Vec<u8>,
    /// Oldest first.
    pub callbacks: Vec<PastCallback>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PastCallback {
    pub received_at: DateTime<Utc>,
    pub content_type: &'static str,
    pub body: Vec<u8>,
    /// Whether a provider that uses report URLs posts it to that of the message.
    pub is_status: bool,
}

impl History {
    /// The messages of an hour in the order of their acceptance. `ordinal` numbers them.
    pub fn messages_in_hour(&self, hour: DateTime<Utc>, ordinal: &mut u64) -> Vec<PastMessage> {
        let mut messages = Vec::new();
        for account in &self.accounts {
            let hours = u64::try_from(hour.timestamp() / 3600).unwrap_or_default();
            let mut rng = self.rng(account.id.as_str(), hours, "volume");
            for _ in 0..count_in_hour(account.provider, hour, &mut rng) {
                let millis = rng.between(0.0, HOUR_MILLIS);
                let accepted_at = hour + seconds(millis / 1000.0);
                if accepted_at < self.end {
                    *ordinal += 1;
                    messages.push(self.build_message(*ordinal, account, accepted_at));
                }
            }
            if is_two_parcel_hour(account.provider, hour, self.end) {
                let accepted_at = hour + seconds(rng.between(0.0, HOUR_MILLIS) / 1000.0);
                let first = self.build_message(*ordinal + 1, account, accepted_at);
                let second = second_parcel(&first);
                *ordinal = second.ordinal;
                messages.extend([first, second]);
            }
        }
        messages.sort_by_key(|message| message.accepted_at);
        messages
    }

    fn build_message(
        &self,
        ordinal: u64,
        account: &HistoryAccount,
        accepted_at: DateTime<Utc>,
    ) -> PastMessage {
        let mut rng = self.rng("history", ordinal, "message");
        let country = match account.provider {
            ProviderId::LancePilot => &COUNTRIES[2],
            _ => &COUNTRIES[rng.below(COUNTRIES.len())],
        };
        let name = format!("{} {}", rng.pick(country.first), rng.pick(country.last));
        let content = &DEMO_MESSAGES[rng.below(DEMO_MESSAGES.len())];
        let order = format!("{}-{}", content.order_prefix, FIRST_ORDER + ordinal);
        let number = (country.number)(FIRST_ORDER + ordinal, &mut rng);
        let first_name = name.split(' ').next().unwrap_or_default();
        PastMessage {
            ordinal,
            account: account.clone(),
            accepted_at,
            submitted_at: accepted_at + seconds(rng.between(0.15, 0.9)),
            recipient: number.replace([' ', '-'], ""),
            kind: content.kind,
            mime_type: content.mime_type,
            url: content.url.replace("{order}", &order),
            caption: content
                .caption
                .replace("{order}", &order)
                .replace("{name}", first_name),
            name,
            order,
        }
    }

    /// The provider's reply to the request that submits a message, and the callbacks until the end.
    pub fn reply(&self, message: &PastMessage, request: &ReceivedRequest) -> PastReply {
        let call = ApiCall {
            settings: &self.settings,
            request,
            form: None,
            ordinal: FIRST_ORDER + message.ordinal,
            accepted: 0,
            now: message.submitted_at,
        };
        let provider = simulated_providers::get(message.account.provider);
        let reply = provider.reply(&call);
        let callbacks = reply
            .accepted
            .map(|accepted| self.callbacks(message, &accepted))
            .unwrap_or_default();
        PastReply {
            status: reply.status,
            body: reply.body.to_string().into_bytes(),
            callbacks,
        }
    }

    fn callbacks(&self, message: &PastMessage, accepted: &AcceptedMessage) -> Vec<PastCallback> {
        let submission = HistorySubmission {
            provider: message.account.provider,
            kind: message.kind,
            submitted_at: message.submitted_at,
            end: self.end,
        };
        let mut rng = self.rng("history", message.ordinal, "outcome");
        let events = submission.plan(&mut rng);
        let mut callbacks = Vec::new();
        for event in events {
            let received_at =
                event.at.unwrap_or(message.submitted_at) + seconds(rng.between(0.1, 0.7));
            if received_at >= self.end {
                break;
            }
            callbacks.push(self.callback(accepted, &event, received_at, &mut rng));
        }
        callbacks
    }

    fn callback(
        &self,
        accepted: &AcceptedMessage,
        event: &PlannedEvent,
        received_at: DateTime<Utc>,
        rng: &mut SeededRng,
    ) -> PastCallback {
        let provider = simulated_providers::get(accepted.provider);
        let is_status = event.kind != EventKind::CustomerReply;
        let CallbackBody { content_type, body } = if is_status {
            provider.report(&self.settings, accepted, std::slice::from_ref(event), rng)
        } else {
            let at = event.at.unwrap_or(received_at);
            provider.inbound(&self.settings, accepted, at, rng)
        };
        PastCallback {
            received_at,
            content_type,
            body,
            is_status,
        }
    }

    /// What Meta reported about the accounts themselves, oldest first.
    pub fn account_events(&self) -> Vec<(HistoryAccount, PastCallback)> {
        let mut events = Vec::new();
        for account in &self.accounts {
            let sender = account.sender.trim_start_matches('+');
            let (days, field, value) = match account.provider {
                ProviderId::Sobot => (
                    19,
                    "phone_number_quality_update",
                    json!({ "display_phone_number": sender, "event": "UPGRADE", "old_limit": "TIER_1K", "current_limit": "TIER_10K" }),
                ),
                ProviderId::Kaleyra => (
                    9,
                    "message_template_status_update",
                    json!({ "message_template_id": 901_000_000_000_017_u64, "message_template_name": "lamps_2026", "message_template_language": "en", "event": "PAUSED", "reason": "NONE", "other_info": { "title": "FIRST_PAUSE", "description": "Paused for 3 hours because customers reported it." } }),
                ),
                ProviderId::LancePilot => (
                    4,
                    "phone_number_quality_update",
                    json!({ "display_phone_number": sender, "event": "FLAGGED", "current_limit": "TIER_1K" }),
                ),
                ProviderId::Zixflow => continue,
            };
            let received_at = self.end - TimeDelta::days(days) - TimeDelta::hours(3);
            let body = json!({
                "object": "whatsapp_business_account",
                "entry": [{
                    "id": "9900000000000007",
                    "time": received_at.timestamp(),
                    "changes": [{ "field": field, "value": value }],
                }],
            });
            let CallbackBody { content_type, body } = CallbackBody::json(&body);
            events.push((
                account.clone(),
                PastCallback {
                    received_at,
                    content_type,
                    body,
                    is_status: false,
                },
            ));
        }
        events.sort_by_key(|(_, callback)| callback.received_at);
        events
    }

    fn rng(&self, owner: &str, ordinal: u64, purpose: &str) -> SeededRng {
        SeededRng::new(self.settings.seed, owner, ordinal, purpose)
    }
}

/// The message about the other parcel of an order, sent at once to the same customer.
fn second_parcel(first: &PastMessage) -> PastMessage {
    let ordinal = first.ordinal + 1;
    let prefix = first.order.split('-').next().unwrap_or_default();
    let order = format!("{prefix}-{}", FIRST_ORDER + ordinal);
    PastMessage {
        ordinal,
        accepted_at: first.accepted_at + PARCEL_PAUSE,
        submitted_at: first.submitted_at + PARCEL_PAUSE,
        url: first.url.replace(&first.order, &order),
        caption: first.caption.replace(&first.order, &order),
        order,
        ..first.clone()
    }
}

fn seconds(seconds: f64) -> TimeDelta {
    let span = std::time::Duration::from_secs_f64(seconds);
    TimeDelta::from_std(span).unwrap_or_default()
}
