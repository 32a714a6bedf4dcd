//! Creates the journal of raw callbacks, and the identity that the main database stores as well.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::dialect;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (keys, identity) = match manager.get_database_backend() {
            DbBackend::Postgres => (POSTGRES_KEYS, "gen_random_uuid()"),
            _ => (SQLITE_KEYS, "randomblob(16)"),
        };
        let statements = UP.replace("{keys}", keys).replace("{identity}", identity);
        let statements = match manager.get_database_backend() {
            DbBackend::Postgres => {
                format!("CREATE SEQUENCE journal_seq;{statements};{POSTGRES_SEQ_INDEX}")
            }
            _ => statements,
        };
        dialect::run(manager, &statements).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, DOWN).await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            dialect::run(manager, "DROP SEQUENCE journal_seq").await?;
        }
        Ok(())
    }
}

/// AUTOINCREMENT never assigns a number twice, even after the table was emptied.
const SQLITE_KEYS: &str = "
    seq integer PRIMARY KEY AUTOINCREMENT,
    id {id} NOT NULL UNIQUE";

/// The next migration partitions the table by the day in the id, and the primary key of a
/// partitioned table must contain that column.
const POSTGRES_KEYS: &str = "
    seq bigint NOT NULL DEFAULT nextval('journal_seq'),
    id {id} NOT NULL PRIMARY KEY";

const POSTGRES_SEQ_INDEX: &str = "CREATE UNIQUE INDEX journal_by_seq ON journal (seq)";

// `refusal` is why a callback is unverified.
//
// `content` comes last: SQLite reads the columns before it without following the overflow pages of
// a large body.
const UP: &str = r"
CREATE TABLE journal ({keys},
    account {text} NOT NULL,
    route {text} NOT NULL,
    report_message {id},
    method {text} NOT NULL,
    query {text} NOT NULL,
    headers {text} NOT NULL,
    remote {text},
    received_at {instant} NOT NULL,
    authenticity {text} NOT NULL,
    refusal {text},
    size bigint NOT NULL,
    content {bytes} NOT NULL
);
CREATE INDEX journal_by_account ON journal (account, seq);
CREATE TABLE journal_identity (
    one integer NOT NULL PRIMARY KEY CHECK (one = 1),
    id {id} NOT NULL
);
INSERT INTO journal_identity (one, id) VALUES (1, {identity})
";

const DOWN: &str = "DROP TABLE journal_identity; DROP TABLE journal";
