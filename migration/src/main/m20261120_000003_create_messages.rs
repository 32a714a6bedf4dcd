//! Creates messages, with the result of the last fold.

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

const UP: &str = r"
CREATE TABLE messages (
    id {id} NOT NULL PRIMARY KEY,
    account {text} NOT NULL,
    provider {text} NOT NULL,
    origin {text} NOT NULL,
    sender {text},
    recipient {text},
    recipient_reversed {text},
    recipient_name {text},
    kind {text},
    media_url {text},
    media_id {text},
    upload_path {text},
    upload_size {instant},
    mime_type {text},
    caption {text},
    reference {text},
    reference1 {text},
    reference2 {text},
    client_reference {text},
    wa_source {text},
    link_source {text},
    link_with_record {flag},
    queue {text} NOT NULL,
    hold {text},
    tries integer NOT NULL,
    handed_over_at {instant},
    next_attempt_at {instant},
    lease_holder {id},
    lease_until {instant},
    send_before {instant},
    state {text} NOT NULL,
    conflict {flag} NOT NULL,
    silence_limit {instant} NOT NULL,
    due_at {instant},
    adopt_at {instant},
    submitted_at {instant},
    sent_at {instant},
    delivered_at {instant},
    read_at {instant},
    played_at {instant},
    implied_stages {instant} NOT NULL,
    failed_at {instant},
    failure_code {text},
    failure_title {text},
    failure_detail {text},
    failure_key {text},
    failure_class {text},
    billable {flag},
    pricing_category {text},
    pricing_model {text},
    price {text},
    provider_id {text},
    matched_by {text},
    resend_of {id},
    resent_as {id},
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL
);
CREATE INDEX messages_created ON messages (created_at, id);
CREATE INDEX messages_state_created ON messages (state, created_at, id);
CREATE INDEX messages_account_created ON messages (account, created_at, id);
CREATE INDEX messages_recipient_created ON messages (recipient, created_at);
CREATE INDEX messages_recipient_reversed ON messages (recipient_reversed) WHERE recipient_reversed IS NOT NULL;
CREATE INDEX messages_reference ON messages (reference) WHERE reference IS NOT NULL;
CREATE INDEX messages_reference1 ON messages (reference1) WHERE reference1 IS NOT NULL;
CREATE INDEX messages_reference2 ON messages (reference2) WHERE reference2 IS NOT NULL;
CREATE INDEX messages_client_reference ON messages (client_reference) WHERE client_reference IS NOT NULL;
CREATE INDEX messages_failure_code ON messages (failure_code, created_at) WHERE failure_code IS NOT NULL;
CREATE INDEX messages_conflict ON messages (created_at, id) WHERE conflict;
CREATE INDEX messages_due ON messages (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX messages_waiting ON messages (account, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX messages_expiring ON messages (send_before) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX messages_leased ON messages (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX messages_provisional ON messages (adopt_at) WHERE origin = 'provisional';
CREATE INDEX messages_orphans ON messages (created_at, id) WHERE origin = 'provisional';
CREATE TABLE merged_messages (
    id {id} NOT NULL PRIMARY KEY,
    survivor {id} NOT NULL,
    merged_at {instant} NOT NULL
);
CREATE INDEX merged_messages_survivor ON merged_messages (survivor);
CREATE TABLE idempotency_keys (
    account {text} NOT NULL,
    name {text} NOT NULL,
    request_hash {text} NOT NULL,
    message {id} NOT NULL,
    created_at {instant} NOT NULL,
    PRIMARY KEY (account, name)
)
";

const DOWN: &str = "DROP TABLE idempotency_keys; DROP TABLE merged_messages; DROP TABLE messages";
