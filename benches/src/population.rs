//! The messages that the databases are filled with, each a function of its number, and the callbacks that report on them.
//!
//! Invented values in the shapes that the four providers send; a callback has some 640 bytes, as Meta's have with conversation and pricing.

use std::io::Write;

use bluetick::domain::clock::{Clock, SystemClock};
use bluetick::domain::correlation_tag;
use bluetick::domain::ids::{AccountId, CallbackId, MessageId};
use bluetick::domain::secret::Secret;
use bluetick::keys::Keys;
use chrono::{DateTime, TimeDelta, Utc};

use crate::Failure;
use crate::load::Requests;

/// The installations' secret key.
pub const SECRET_KEY: &str = "a key for benchmarks alone, of no use to anybody";

/// Messages that still await reports: the newest, so many at the most.
const OPEN: u64 = 1_000_000;
/// Messages among which `delivered` comes in disorder; divides every size that is measured.
const BLOCK: u64 = 10_000;
/// Milliseconds over which those were sent: what is reported on now was sent lately.
const OPEN_SPAN: u64 = 2 * 3_600_000;
/// Milliseconds over which all others were sent, before them.
const CLOSED_SPAN: u64 = 60 * 86_400_000;
/// The stage that every second callback reports.
const DELIVERED: &str = "delivered";
/// A quarter hour, as counts are kept.
pub const BUCKET: i64 = 15 * 60 * 1000;
/// Scatters consecutive numbers over all 64-bit numbers, each to one of its own.
const SCATTER: u64 = 0x9e37_79b9_7f4a_7c15;

/// One account of each provider, in the order of their ids.
pub const ACCOUNTS: [BenchAccount; 4] = [
    BenchAccount {
        id: "kaleyra-in",
        provider: "kaleyra",
        settings: "id = \"kaleyra-in\"\nprovider = \"kaleyra\"\nregion = \"in\"\nsid = \"HXBENCH\"\napi_key = \"bench\"\nsender = \"+918600000001\"\n",
        dialect: Dialect::Kaleyra,
    },
    BenchAccount {
        id: "lancepilot-main",
        provider: "lancepilot",
        settings: "id = \"lancepilot-main\"\nprovider = \"lancepilot\"\ntoken = \"bench\"\nworkspace = \"0d1c0000-0000-4000-8000-000000000001\"\n",
        dialect: Dialect::LancePilot,
    },
    BenchAccount {
        id: "sobot-main",
        provider: "sobot",
        settings: "id = \"sobot-main\"\nprovider = \"sobot\"\napi_key = \"bench\"\napi_secret = \"bench\"\n",
        dialect: Dialect::Sobot,
    },
    BenchAccount {
        id: "zixflow-main",
        provider: "zixflow",
        settings: "id = \"zixflow-main\"\nprovider = \"zixflow\"\ntoken = \"bench\"\nphone_id = \"104000000000088\"\n",
        dialect: Dialect::Zixflow,
    },
];

/// An account of the installations.
#[derive(Clone, Copy, Debug)]
pub struct BenchAccount {
    /// Its id.
    pub id: &'static str,
    /// Its provider's name.
    pub provider: &'static str,
    /// Its table in the configuration.
    pub settings: &'static str,
    dialect: Dialect,
}

/// Whose shape a callback has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Dialect {
    Kaleyra,
    LancePilot,
    Sobot,
    Zixflow,
}

/// So many messages, the last one sent just now.
#[derive(Clone, Debug)]
pub struct Population {
    /// How many.
    pub size: u64,
    /// How many of the newest await reports.
    pub open: u64,
    now: DateTime<Utc>,
}

/// How a message of the population stands before the measurements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Still awaits reports.
    Sent,
    /// On the phone.
    Delivered,
    /// Opened.
    Read,
    /// Undeliverable.
    Failed,
}

impl Population {
    /// One whose last message is of now.
    pub fn new(size: u64) -> Self {
        Self {
            size,
            open: size.min(OPEN),
            now: SystemClock.now(),
        }
    }

    /// The same, of which all await reports.
    pub fn all_open(size: u64) -> Self {
        Self {
            open: size,
            ..Self::new(size)
        }
    }

    /// The instant up to which it was made.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// When a message was accepted.
    pub fn created_at(&self, number: u64) -> DateTime<Utc> {
        let (open, rank) = (self.open, self.size - number);
        let age = if rank <= open {
            rank * OPEN_SPAN / open
        } else {
            OPEN_SPAN + (rank - open) * CLOSED_SPAN / (self.size - open)
        };
        // A message is a quarter of an hour old before anything was heard of it.
        self.now - TimeDelta::milliseconds(i64::try_from(age).unwrap_or_default() + BUCKET)
    }

    /// Its id.
    pub fn message_id(&self, number: u64) -> MessageId {
        MessageId::derived(self.created_at(number), ten_bytes(number, 1))
    }

    /// The id of the callback that reported on it.
    pub fn callback_id(&self, number: u64) -> CallbackId {
        CallbackId::derived(self.created_at(number), ten_bytes(number, 2))
    }

    /// How it stands.
    pub fn standing(&self, number: u64) -> Standing {
        if number >= self.size - self.open {
            return Standing::Sent;
        }
        match number % 20 {
            0 => Standing::Failed,
            1..7 => Standing::Delivered,
            _ => Standing::Read,
        }
    }
}

fn ten_bytes(number: u64, salt: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    // The number leads, so that ids of one millisecond keep their order.
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..].copy_from_slice(&scatter(number ^ salt).to_be_bytes()[..2]);
    bytes
}

/// The account of a message.
pub fn account(number: u64) -> &'static BenchAccount {
    &ACCOUNTS[(number % 4) as usize]
}

/// A number of its own for each, in no order.
pub fn scatter(number: u64) -> u64 {
    number.wrapping_mul(SCATTER)
}

/// The customer's number, digits.
pub fn recipient(number: u64) -> String {
    format!("9199{:08}", scatter(number) % 100_000_000)
}

/// `WhatsApp`'s id of a message; they sort as [`scatter`] does.
pub fn wamid(number: u64) -> String {
    format!(
        "wamid.HBgMOTE5OTcwMTIzNDU2FQIAERgS{:016X}AA==",
        scatter(number)
    )
}

/// The further id that Kaleyra and Zixflow use in reports; they sort as [`scatter`] does.
pub fn second_id(number: u64) -> Option<String> {
    match account(number).dialect {
        Dialect::Kaleyra => Some(format!("{:016x}c0ffee00c0ffee00", scatter(number))),
        Dialect::Zixflow => Some(format!("{:016x}68fe0011", scatter(number))),
        Dialect::LancePilot | Dialect::Sobot => None,
    }
}

/// In which order reports come. `delivered` always comes in that of the messages but for some seconds' disorder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// `read` comes from anywhere among the messages of the last hours.
    Scattered,
    /// `read` comes from among those that are being delivered, as in a campaign's first minutes.
    Campaign,
}

/// Callbacks about a population's open messages, each `delivered` and `read` once, in turns.
pub struct Callbacks {
    population: Population,
    order: Order,
    keys: Keys,
    tokens: Vec<String>,
    millis: i64,
}

impl Callbacks {
    /// Callbacks for an installation that holds this population.
    pub fn new(population: &Population, order: Order) -> Result<Self, Failure> {
        let keys = Keys::derive(&Secret::new(SECRET_KEY), &[]);
        let tokens = ACCOUNTS
            .iter()
            .map(|account| Ok(keys.callback_token(&account.id.parse()?, 1)))
            .collect::<Result<_, Failure>>()?;
        Ok(Self {
            population: population.clone(),
            order,
            keys,
            tokens,
            millis: population.now().timestamp_millis(),
        })
    }

    /// What they report on.
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// How many there are; beyond that they would repeat themselves, which costs less.
    pub fn distinct(&self) -> u64 {
        2 * self.population.open
    }

    /// The message that a callback reports on.
    pub fn message(&self, number: u64) -> u64 {
        let open = self.population.open;
        let place = number / 2 % open;
        // The factor has no 2, 3 and 5, so that sizes in round decimals leave out nobody.
        let scattered = |place: u64, size: u64| place * 7_368_787 % size;
        let block = place / BLOCK * BLOCK;
        let nearby = |place: u64| block + scattered(place % BLOCK, BLOCK);
        let nth = match (Self::stage(number), self.order) {
            (DELIVERED, _) => nearby(place),
            (_, Order::Campaign) => nearby(place + BLOCK / 2),
            (_, Order::Scattered) => scattered(place, open),
        };
        self.population.size - open + nth
    }

    /// The stage that a callback reports.
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
        let seconds = self.millis / 1000;
        let second = second_id(message).unwrap_or_default();
        match account(message).dialect {
            Dialect::Sobot => sobot_body(&wamid, stage, seconds, &to),
            Dialect::Kaleyra => {
                let tag = correlation_tag::format_tag(self.population.message_id(message));
                format!(
                    r#"{{"meta_object":{{"value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"918600000001","phone_number_id":"104000000000077"}},"statuses":[{{"id":"{second}","status":"{stage}","timestamp":"{seconds}","recipient_id":"{to}","pricing":{{"billable":true,"pricing_model":"PMP","category":"marketing"}}}}]}},"field":"messages"}},"extra_info":{{"trace_id":"0b1f0a4e-1111-4c1a-9e77-1a5000000001","message_id":"{wamid}","waba_id":"1200000034512345","ref":"autumn","ref1":"order {message}","ref2":"{tag}","enable_url_tracking_body":false}},"status":"{stage}","message_id":"{wamid}"}}"#
                )
            }
            Dialect::Zixflow => format!(
                r#"{{"campaignId":"68fe00112233445566778899","messageId":"{second}","wamid":"{wamid}","phoneId":"104000000000088","to":"{to}","status":"{stage}","timestamp":{},"workspace":{{"id":"68fe00aa","name":"A workspace of some length","plan":"growth","region":"in"}},"campaign":{{"id":"68fe00112233445566778899","name":"Autumn pictures for customers in the south","channel":"whatsapp","createdBy":"an operator with a long name","variables":[]}},"contact":{{"recordId":"68fe0011223344556677abcd","collection":"people","owner":"unassigned","subscribed":true,"tags":["autumn","pictures","returning"]}}}}"#,
                self.millis
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

/// The same 640 bytes for everybody, in Sobot's shape and to no address in particular: for the baselines.
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

/// With the headers that providers' clients send.
fn write_post(path: &str, body: &str, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    drop(write!(
        out,
        "POST {path} HTTP/1.1\r\nhost: hooks.example.com\r\nuser-agent: axios/1.7.9\r\naccept: application/json, text/plain, */*\r\ncontent-type: application/json\r\naccept-encoding: gzip, compress, deflate, br\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
}
