//! Traffic for the demo: an invented shop that sends images and videos through Bluetick's own API.
//!
//! Names and numbers are invented. The numbers never leave the machine: only the simulator receives
//! them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::domain::provider::ProviderId;
use crate::http_client;
use crate::simulator::demo_shop::{COUNTRIES, DEMO_MESSAGES};
use crate::simulator::seeded_rng::SeededRng;

#[derive(Clone, PartialEq, Debug)]
pub struct Traffic {
    /// Base URL of Bluetick, such as `http://127.0.0.1:8080`.
    pub base_url: String,
    /// API token with the scope `send`.
    pub token: String,
    pub accounts: Vec<TrafficAccount>,
    pub seed: u64,
    /// Messages sent quickly at the start, so that pages are not empty.
    pub burst: u64,
    pub limit: u64,
    /// Mean pause between two messages after the initial burst.
    pub mean_pause: Duration,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrafficAccount {
    pub id: String,
    pub provider: ProviderId,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TrafficCounts {
    /// Messages accepted by the API.
    pub accepted: u64,
    /// Messages refused, or requests that failed.
    pub refused: u64,
}

/// Pause between two messages of the initial burst.
const BURST_PAUSE: Duration = Duration::from_millis(60);

impl Traffic {
    /// 24 messages at once, then one every 2.5 s on average, 4,000 in all.
    pub fn new(base_url: String, token: String, accounts: Vec<TrafficAccount>) -> Self {
        Self {
            base_url,
            token,
            accounts,
            seed: 1,
            burst: 24,
            limit: 4_000,
            mean_pause: Duration::from_millis(2_500),
        }
    }

    pub async fn run(self, stop: CancellationToken) -> Result<TrafficCounts, reqwest::Error> {
        let client = http_client::builder()
            .timeout(Duration::from_secs(10))
            .build()?;
        let mut sent = TrafficCounts::default();
        for ordinal in 0..self.limit {
            let pause = self.pause(ordinal);
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
            let Some(message) = self.build_message(ordinal) else {
                break;
            };
            let reply = client
                .post(format!("{}/api/v1/messages", self.base_url))
                .bearer_auth(&self.token)
                .json(&message)
                .send()
                .await;
            if reply.is_ok_and(|reply| reply.status().is_success()) {
                sent.accepted += 1;
            } else {
                sent.refused += 1;
                tracing::warn!(ordinal, "a demo message was not accepted");
            }
        }
        Ok(sent)
    }

    /// Exponentially distributed pauses, occasionally several messages at once.
    fn pause(&self, ordinal: u64) -> Duration {
        if ordinal < self.burst {
            return BURST_PAUSE;
        }
        let mut rng = self.rng(ordinal, "pause");
        if rng.chance(0.15) {
            return BURST_PAUSE;
        }
        let spread = -rng.between(0.02, 1.0).ln();
        self.mean_pause.mul_f64(spread.clamp(0.05, 4.0))
    }

    /// JSON body of one message; `None` without accounts.
    pub fn build_message(&self, ordinal: u64) -> Option<Value> {
        let mut rng = self.rng(ordinal, "message");
        // Round robin, so that every account appears within the initial burst.
        let turn = usize::try_from(ordinal).unwrap_or_default();
        let account = self.accounts.get(turn.checked_rem(self.accounts.len())?)?;
        let country = &COUNTRIES[rng.below(COUNTRIES.len())];
        let name = format!("{} {}", rng.pick(country.first), rng.pick(country.last));
        let content = &DEMO_MESSAGES[rng.below(DEMO_MESSAGES.len())];
        let order = format!("{}-{}", content.order_prefix, 10_480 + ordinal);
        let mut message = json!({
            "account": account.id,
            "to": (country.number)(ordinal, &mut rng),
            "name": name,
            "kind": content.kind.as_str(),
            "media": { "url": content.url.replace("{order}", &order), "mime_type": content.mime_type },
            "client_reference": order,
        });
        if rng.chance(0.85) {
            let first = name.split(' ').next().unwrap_or_default();
            let caption = content.caption.replace("{order}", &order);
            message["caption"] = json!(caption.replace("{name}", first));
        }
        if self.rng(ordinal, "template").chance(0.2) {
            use_template(
                &mut message,
                account.provider,
                content.campaign,
                &[&name, &order],
            );
        }
        match account.provider {
            ProviderId::Kaleyra => {
                message["refs"] = json!({ "ref": order, "ref1": content.campaign });
                if rng.chance(0.3) {
                    message["options"] = json!({ "wa_source": "shopify" });
                }
            }
            ProviderId::Zixflow if rng.chance(0.3) => {
                message["options"] = json!({ "source": "API", "linkWithRecord": true });
            }
            _ if rng.chance(0.4) => message["refs"] = json!({ "ref": order }),
            _ => {}
        }
        Some(message)
    }

    fn rng(&self, ordinal: u64, purpose: &str) -> SeededRng {
        SeededRng::new(self.seed, "traffic", ordinal, purpose)
    }
}

/// The text of an approved template replaces the caption.
fn use_template(message: &mut Value, provider: ProviderId, name: &str, body: &[&str]) {
    if let Some(fields) = message.as_object_mut() {
        fields.remove("caption");
    }
    message["template"] = match provider {
        ProviderId::LancePilot => json!({ "name": "1204", "body": body }),
        _ => json!({ "name": name.replace('-', "_"), "language": "en", "body": body }),
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::phone::PhoneNumber;

    fn traffic() -> Traffic {
        let accounts = ProviderId::ALL.map(|provider| TrafficAccount {
            id: format!("{provider}-demo"),
            provider,
        });
        Traffic::new(String::new(), String::new(), accounts.to_vec())
    }

    #[test]
    fn the_burst_uses_every_account_and_both_kinds() {
        let messages: Vec<Value> = (0..24).filter_map(|n| traffic().build_message(n)).collect();
        let seen = |key: &str| {
            messages
                .iter()
                .map(|message| message[key].to_string())
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(seen("account").len(), 4);
        assert_eq!(seen("kind").len(), 2);
        assert_eq!(seen("to").len(), 24);
    }

    #[test]
    fn every_message_of_a_run_has_a_valid_number_of_its_own() {
        let traffic = traffic();
        let numbers: BTreeSet<String> = (0..4_000)
            .filter_map(|n| traffic.build_message(n))
            .map(|message| {
                let text = message["to"].as_str().unwrap_or_default().to_owned();
                PhoneNumber::parse(&text).unwrap().digits().to_owned()
            })
            .collect();
        assert_eq!(numbers.len(), 4_000);
    }
}
