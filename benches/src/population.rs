//! The messages in the databases: each is a function of its number.

use bluetick::domain::clock::{Clock, SystemClock};
use bluetick::domain::ids::{CallbackId, MessageId};
use chrono::{DateTime, TimeDelta, Utc};

pub const SECRET_KEY: &str = "a secret key that only the benchmarks use";

/// Maximum number of open messages: the newest, which still await reports.
const OPEN: u64 = 1_000_000;
/// Milliseconds within which the open messages were created.
const OPEN_SPAN: u64 = 2 * 3_600_000;
/// Milliseconds within which all others were created, before them.
const CLOSED_SPAN: u64 = 60 * 86_400_000;
/// Length of a bucket of the count tables, in milliseconds.
pub const BUCKET: i64 = 15 * 60 * 1000;
/// Odd, so that multiplication maps 64-bit numbers one to one.
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

#[derive(Clone, Copy, Debug)]
pub struct BenchAccount {
    pub id: &'static str,
    pub provider: &'static str,
    /// TOML of its table.
    pub settings: &'static str,
    pub dialect: Dialect,
}

/// The provider's callback format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    Kaleyra,
    LancePilot,
    Sobot,
    Zixflow,
}

/// Messages up to now.
#[derive(Clone, Debug)]
pub struct Population {
    pub size: u64,
    /// Number of open messages: the newest, which await reports.
    pub open: u64,
    now: DateTime<Utc>,
}

/// State of a message before the measurements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InitialState {
    Sent,
    Delivered,
    Read,
    Failed,
}

impl InitialState {
    /// Whether the provider charges for the message.
    pub fn is_delivered(self) -> bool {
        matches!(self, Self::Delivered | Self::Read)
    }
}

impl Population {
    pub fn new(size: u64) -> Self {
        Self {
            size,
            open: size.min(OPEN),
            now: SystemClock.now(),
        }
    }

    /// The messages of an earlier run; `newest` is when its newest message was created.
    pub fn until(size: u64, newest: DateTime<Utc>) -> Self {
        let mut population = Self::new(size);
        population.now += newest - population.created_at(size.saturating_sub(1));
        population
    }

    /// Every message is open.
    pub fn all_open(size: u64) -> Self {
        Self {
            open: size,
            ..Self::new(size)
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    pub fn created_at(&self, number: u64) -> DateTime<Utc> {
        let (open, rank) = (self.open, self.size - number);
        let age = if rank <= open {
            rank * OPEN_SPAN / open
        } else {
            OPEN_SPAN + (rank - open) * CLOSED_SPAN / (self.size - open)
        };
        // Every message is at least a quarter of an hour old.
        self.now - TimeDelta::milliseconds(i64::try_from(age).unwrap_or_default() + BUCKET)
    }

    pub fn message_id(&self, number: u64) -> MessageId {
        MessageId::derived(self.created_at(number), ten_bytes(number, 1))
    }

    /// Id of the callback that reported on the message.
    pub fn callback_id(&self, number: u64) -> CallbackId {
        CallbackId::derived(self.created_at(number), ten_bytes(number, 2))
    }

    pub fn initial_state(&self, number: u64) -> InitialState {
        if number >= self.size - self.open {
            return InitialState::Sent;
        }
        match number % 20 {
            0 => InitialState::Failed,
            1..7 => InitialState::Delivered,
            _ => InitialState::Read,
        }
    }
}

fn ten_bytes(number: u64, salt: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    // The number comes first, so that ids of one millisecond keep their order.
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..].copy_from_slice(&scatter(number ^ salt).to_be_bytes()[..2]);
    bytes
}

pub fn account(number: u64) -> &'static BenchAccount {
    &ACCOUNTS[(number % 4) as usize]
}

/// Time from a message to its report: one second to about two minutes.
pub fn delay(number: u64) -> TimeDelta {
    TimeDelta::milliseconds(i64::try_from(1000 + scatter(number) % 125_000).unwrap_or(1000))
}

/// A different number for each input, in no order.
pub fn scatter(number: u64) -> u64 {
    number.wrapping_mul(SCATTER)
}

/// Digits without `+`.
pub fn recipient(number: u64) -> String {
    format!("9199{:08}", scatter(number) % 100_000_000)
}

/// Sorts like [`scatter`].
pub fn wamid(number: u64) -> String {
    format!(
        "wamid.HBgMOTE5OTcwMTIzNDU2FQIAERgS{:016X}AA==",
        scatter(number)
    )
}

/// The second id in reports of Kaleyra and Zixflow; sorts like [`scatter`].
pub fn second_id(number: u64) -> Option<String> {
    match account(number).dialect {
        Dialect::Kaleyra => Some(format!("{:016x}c0ffee00c0ffee00", scatter(number))),
        Dialect::Zixflow => Some(format!("{:016x}68fe0011", scatter(number))),
        Dialect::LancePilot | Dialect::Sobot => None,
    }
}
