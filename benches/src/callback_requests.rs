//! The callbacks that the load generator sends: reports about the messages of a population.
//!
//! Invented values in the shapes of the four providers; a body has about 640 bytes, like Meta's
//! with conversation and pricing.

use std::io::Write;

use bluetick::domain::correlation_tag;
use bluetick::domain::ids::AccountId;
use bluetick::domain::secret::Secret;
use bluetick::keys::Keys;

use crate::error::BenchError;
use crate::load::Requests;
use crate::population::{
    ACCOUNTS, Dialect, Population, SECRET_KEY, account, recipient, second_id, wamid,
};

/// `delivered` callbacks are shuffled within blocks of this many messages. Every population size
/// must be a multiple of it.
const BLOCK: u64 = 10_000;
/// The stage that every second callback reports.
const DELIVERED: &str = "delivered";

/// The order of `read` callbacks. `delivered` callbacks always come in message order, shuffled
/// within blocks of `BLOCK`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadOrder {
    /// Anywhere among the messages of the last hours.
    Scattered,
    /// Among the messages being delivered, as in the first minutes of a campaign.
    Campaign,
}

/// One `delivered` and one `read` for each open message, alternating.
pub struct Callbacks {
    population: Population,
    order: ReadOrder,
    keys: Keys,
    tokens: Vec<String>,
    /// Timestamp of every callback, in milliseconds.
    reported_at: i64,
}

impl Callbacks {
    pub fn new(population: &Population, order: ReadOrder) -> Result<Self, BenchError> {
        let keys = Keys::derive(&Secret::new(SECRET_KEY), &[]);
        let tokens = ACCOUNTS
            .iter()
            .map(|account| Ok(keys.callback_token(&account.id.parse()?, 1)))
            .collect::<Result<_, BenchError>>()?;
        Ok(Self {
            population: population.clone(),
            order,
            keys,
            tokens,
            reported_at: population.now().timestamp_millis(),
        })
    }

    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Number of different callbacks. Repeated ones would be cheaper to apply.
    pub fn distinct(&self) -> u64 {
        2 * self.population.open
    }

    /// The number of the message that callback `number` reports on.
    pub fn message(&self, number: u64) -> u64 {
        let open = self.population.open;
        let position = number / 2 % open;
        // The factor is a prime that divides no size, so every position occurs once.
        let scattered = |position: u64, size: u64| position * 7_368_787 % size;
        let block = position / BLOCK * BLOCK;
        let nearby = |position: u64| block + scattered(position % BLOCK, BLOCK);
        let open_message = match (Self::stage(number), self.order) {
            (DELIVERED, _) => nearby(position),
            (_, ReadOrder::Campaign) => nearby(position + BLOCK / 2),
            (_, ReadOrder::Scattered) => scattered(position, open),
        };
        self.population.size - open + open_message
    }

    pub fn stage(number: u64) -> &'static str {
        if number.is_multiple_of(2) {
            DELIVERED
        } else {
            "read"
        }
    }

    fn path(&self, message: u64) -> String {
        let account = account(message);
        if account.dialect == Dialect::Zixflow {
            let id = self.population.message_id(message);
            let account: Result<AccountId, _> = account.id.parse();
            return account.map_or_else(
                |_| "/".to_owned(),
                |account| format!("/reports/{}", self.keys.report_token(&account, id)),
            );
        }
        let token = &self.tokens[(message % 4) as usize];
        format!("/callbacks/{}/{token}", account.id)
    }

    fn body(&self, number: u64) -> String {
        let message = self.message(number);
        let stage = Self::stage(number);
        let to = recipient(message);
        let wamid = wamid(message);
        let seconds = self.reported_at / 1000;
        let second_id = second_id(message).unwrap_or_default();
        match account(message).dialect {
            Dialect::Sobot => sobot_body(&wamid, stage, seconds, &to),
            Dialect::Kaleyra => {
                let tag = correlation_tag::format_tag(self.population.message_id(message));
                format!(
                    r#"{{"meta_object":{{"value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"918600000001","phone_number_id":"104000000000077"}},"statuses":[{{"id":"{second_id}","status":"{stage}","timestamp":"{seconds}","recipient_id":"{to}","pricing":{{"billable":true,"pricing_model":"PMP","category":"marketing"}}}}]}},"field":"messages"}},"extra_info":{{"trace_id":"0b1f0a4e-1111-4c1a-9e77-1a5000000001","message_id":"{wamid}","waba_id":"1200000034512345","ref":"autumn","ref1":"order {message}","ref2":"{tag}","enable_url_tracking_body":false}},"status":"{stage}","message_id":"{wamid}"}}"#
                )
            }
            Dialect::Zixflow => format!(
                r#"{{"campaignId":"68fe00112233445566778899","messageId":"{second_id}","wamid":"{wamid}","phoneId":"104000000000088","to":"{to}","status":"{stage}","timestamp":{},"workspace":{{"id":"68fe00aa","name":"A workspace of some length","plan":"growth","region":"in"}},"campaign":{{"id":"68fe00112233445566778899","name":"Autumn pictures for customers in the south","channel":"whatsapp","createdBy":"an operator with a long name","variables":[]}},"contact":{{"recordId":"68fe0011223344556677abcd","collection":"people","owner":"unassigned","subscribed":true,"tags":["autumn","pictures","returning"]}}}}"#,
                self.reported_at
            ),
            Dialect::LancePilot => format!(
                r#"{{"event":"message.status","data":{{"type":"messages","id":"0d1c0000-0000-4000-8000-{:012x}","attributes":{{"wamid":"{wamid}","status":"{stage}","to":"+{to}","updated_at":"{}"}},"relationships":{{"contact":{{"data":{{"type":"contacts","id":"0d1c0000-0000-4000-8000-000000000077","attributes":{{"first_name":"A","last_name":"Customer","phone":"+{to}","subscribed":true,"labels":["autumn","pictures"],"created_at":"2026-01-01T00:00:00.000000Z"}}}}}},"workspace":{{"data":{{"type":"workspaces","id":"0d1c0000-0000-4000-8000-000000000001"}}}}}}}}}}"#,
                message,
                self.population.now().format("%Y-%m-%dT%H:%M:%S%.6fZ"),
            ),
        }
    }
}

impl Requests for Callbacks {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        let path = self.path(self.message(number));
        write_post(&path, &self.body(number), out);
    }
}

/// Callbacks for the baselines, in Sobot's format.
pub struct BaselineCallbacks;

impl Requests for BaselineCallbacks {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        let body = sobot_body(
            &wamid(number),
            "delivered",
            1_790_000_000,
            &recipient(number),
        );
        write_post(
            "/callbacks/sobot-main/benchmarks-have-no-token-of-that-length",
            &body,
            out,
        );
    }
}

fn sobot_body(wamid: &str, stage: &str, seconds: i64, to: &str) -> String {
    format!(
        r#"[{{"value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"918600000001","phone_number_id":"104000000000077"}},"contacts":[{{"wa_id":"{to}"}}],"statuses":[{{"id":"{wamid}","status":"{stage}","timestamp":"{seconds}","recipient_id":"{to}","conversation":{{"id":"c0ffee00c0ffee00c0ffee00c0ffee00","expiration_timestamp":"1790086400","origin":{{"type":"marketing"}}}},"pricing":{{"billable":true,"pricing_model":"PMP","category":"marketing","type":"regular"}}}}]}},"field":"messages","received_by":"an intermediate with a name of some length"}}]"#
    )
}

/// With typical headers of providers' clients.
fn write_post(path: &str, body: &str, out: &mut Vec<u8>) {
    // Writing to a `Vec` cannot fail.
    drop(write!(
        out,
        "POST {path} HTTP/1.1\r\nhost: hooks.example.com\r\nuser-agent: axios/1.7.9\r\naccept: application/json, text/plain, */*\r\ncontent-type: application/json\r\naccept-encoding: gzip, compress, deflate, br\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
}
