//! Creates the state that all processes share about how fast an account may send, and the
//! recipients that get no message for a while.

use sea_orm_migration::prelude::*;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, DOWN).await
    }
}

/// `next_slot_us` is in microseconds since the epoch, `slowed_rate` in messages per million
/// seconds.
const UP: &str = r"
CREATE TABLE send_flows (
    account {text} NOT NULL PRIMARY KEY,
    next_slot_us bigint,
    slowed_at {instant},
    slowed_rate bigint,
    slowed_reason {text},
    slow_down_requests integer NOT NULL,
    hold_until {instant},
    counted_since {instant},
    accepted integer NOT NULL,
    accepted_before integer NOT NULL,
    streak_kind {text},
    streak_count integer NOT NULL,
    streak_recipients {text} NOT NULL,
    tripped_at {instant},
    trip_reason {text},
    trip_reply {text},
    next_probe_at {instant},
    probe_wait bigint NOT NULL,
    spent integer NOT NULL
);
CREATE TABLE recipient_holds (
    account {text} NOT NULL,
    recipient {text} NOT NULL,
    hold_until {instant} NOT NULL,
    PRIMARY KEY (account, recipient)
);
CREATE INDEX recipient_holds_until ON recipient_holds (hold_until);
ALTER TABLE accounts DROP COLUMN next_send_at
";

const DOWN: &str = r"
ALTER TABLE accounts ADD COLUMN next_send_at {instant};
DROP TABLE recipient_holds;
DROP TABLE send_flows
";
