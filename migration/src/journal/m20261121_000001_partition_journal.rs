//! Partitions PostgreSQL's journal by day, so that retention drops whole days instead of deleting
//! rows. On SQLite it stays one table.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on_postgres(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_on_postgres(manager, DOWN).await
    }
}

async fn run_on_postgres(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for statement in statements {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}

// A UUIDv7 begins with 48 bits of milliseconds, so a day is a range of ids: inserting and finding by
// id touch only that day, and `ON CONFLICT (id)` holds for the whole journal. Days of existing rows
// are created here, later ones by the program; the default partition accepts all other rows.
const UP: &[&str] = &[
    "CREATE TABLE journal_by_day (LIKE journal INCLUDING DEFAULTS) PARTITION BY RANGE (id)",
    "CREATE TABLE journal_default PARTITION OF journal_by_day DEFAULT",
    "DO $$
    DECLARE
        milliseconds CONSTANT bigint := 86400000;
        day bigint;
    BEGIN
        FOR day IN
            SELECT DISTINCT ('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint / milliseconds FROM journal
        LOOP
            CONTINUE WHEN day > 2932895;
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF journal_by_day FOR VALUES FROM (%L) TO (%L)',
                'journal_' || to_char(timestamp '1970-01-01' + day * interval '1 day', 'YYYYMMDD'),
                regexp_replace(lpad(to_hex(day * milliseconds), 12, '0'), '(.{8})(.{4})', '\\1-\\2-0000-0000-000000000000'),
                regexp_replace(lpad(to_hex((day + 1) * milliseconds), 12, '0'), '(.{8})(.{4})', '\\1-\\2-0000-0000-000000000000')
            );
        END LOOP;
    END $$",
    "INSERT INTO journal_by_day SELECT * FROM journal",
    "DROP TABLE journal",
    "ALTER TABLE journal_by_day RENAME TO journal",
    "ALTER TABLE journal ADD PRIMARY KEY (id)",
    // Numbers come from one sequence, so they are unique; a unique index would have to contain the
    // id as well.
    "CREATE INDEX journal_by_seq ON journal (seq)",
    "CREATE INDEX journal_by_account ON journal (account, seq)",
];

const DOWN: &[&str] = &[
    "CREATE TABLE journal_in_one (LIKE journal INCLUDING DEFAULTS)",
    "INSERT INTO journal_in_one SELECT * FROM journal",
    "DROP TABLE journal",
    "ALTER TABLE journal_in_one RENAME TO journal",
    "ALTER TABLE journal ADD PRIMARY KEY (id)",
    "CREATE UNIQUE INDEX journal_by_seq ON journal (seq)",
    "CREATE INDEX journal_by_account ON journal (account, seq)",
];
