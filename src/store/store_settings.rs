//! Settings of the database: its position in the journal, a running rebuild, and how far messages
//! are purged.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter};
use sea_orm_migration::SchemaManager;

use crate::db::{Error, instant};
use crate::store::Store;
use crate::store::entities::setting_row;

pub(super) mod name {
    pub(in crate::store) const KEY_FINGERPRINT: &str = "key_fingerprint";
    pub(in crate::store) const JOURNAL_IDENTITY: &str = "journal_identity";
    /// The journal's mark at the last start.
    pub(in crate::store) const JOURNAL_MARK: &str = "journal_mark";
    /// The mark that the last start was about to write into the journal.
    pub(in crate::store) const JOURNAL_MARK_NEXT: &str = "journal_mark_next";
    /// The version of the program that wrote the database last.
    pub(super) const WRITTEN_BY: &str = "written_by";
    /// The last processed journal `seq`.
    pub(in crate::store) const POSITION: &str = "reconcile_position";
    /// The journal `seq` up to which a rebuild reprocesses; absent when none is running.
    pub(super) const REBUILDING_UNTIL: &str = "rebuilding_until";
    /// Messages created before this instant (ms) were purged. Versions without
    /// [`COUNTS_PURGED_BEFORE`] stored its value here.
    pub(super) const MESSAGES_PURGED_BEFORE: &str = "messages_purged_before";
    /// When `verify` last checked everything (ms), and how many discrepancies it found.
    pub(super) const VERIFIED: &str = "verified";
    /// Messages whose `counted_at` is before this instant (ms) were purged, so that the stored
    /// counts exceed a recount.
    pub(super) const COUNTS_PURGED_BEFORE: &str = "counts_purged_before";
    /// When `backup` last made a backup outside of the schedule (ms).
    pub(super) const BACKED_UP: &str = "backed_up";
    /// The last check of the public URL, as JSON.
    pub(in crate::store) const URL_CHECKED: &str = "url_checked";
    /// Present once charges and campaigns are counted; the migration that adds these counts removes
    /// it when it is undone.
    pub(super) const CHARGES_COUNTED: &str = "charges_counted";
}

/// How far the journal is processed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReconcileProgress {
    /// The last processed `seq`; 0 before the first.
    pub position: i64,
    /// The `seq` up to which a rebuild reprocesses, while one is running.
    pub rebuilding_until: Option<i64>,
}

impl Store {
    /// The last processed journal `seq`; 0 before the first.
    pub async fn position(&self) -> Result<i64, Error> {
        position(self.pools().reader()).await
    }

    /// The journal `seq` up to which a rebuild reprocesses, while one is running.
    pub async fn rebuilding_until(&self) -> Result<Option<i64>, Error> {
        rebuilding_until(self.pools().reader()).await
    }

    /// The position, and the `seq` up to which a rebuild reprocesses, while one is running.
    pub async fn reconcile_progress(&self) -> Result<ReconcileProgress, Error> {
        let rows = setting_row::Entity::find()
            .filter(setting_row::Column::Name.is_in([name::POSITION, name::REBUILDING_UNTIL]))
            .all(self.pools().reader())
            .await?;
        let number = |name: &'static str| {
            let row = rows.iter().find(|row| row.name == name);
            row.map(|row| parse_number(&row.value, name)).transpose()
        };
        Ok(ReconcileProgress {
            position: number(name::POSITION)?.unwrap_or_default(),
            rebuilding_until: number(name::REBUILDING_UNTIL)?,
        })
    }

    /// Whether a rebuild is running. Until its end, receipts are missing.
    pub async fn is_rebuilding(&self) -> Result<bool, Error> {
        Ok(self.rebuilding_until().await?.is_some())
    }

    /// Announces that a rebuild will reprocess everything, so that retention keeps it in the
    /// journal.
    pub async fn announce_rebuild(&self) -> Result<(), Error> {
        self.pools()
            .within(async |transaction| record_rebuild_end(transaction).await)
            .await
    }
}

impl Store {
    /// The version of the program that wrote the database last; `None` before the first start, and
    /// after a version that did not record it.
    pub(crate) async fn written_by(&self) -> Result<Option<String>, Error> {
        let reader = self.pools().reader();
        if !SchemaManager::new(reader).has_table("settings").await? {
            return Ok(None);
        }
        find(reader, name::WRITTEN_BY).await
    }
}

/// A complete check by `verify`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verification {
    pub at: DateTime<Utc>,
    pub discrepancies: u64,
}

impl Store {
    pub async fn record_verification(&self, done: Verification) -> Result<(), Error> {
        let value = format!("{} {}", instant::to_millis(done.at), done.discrepancies);
        self.pools()
            .within(async |transaction| set(transaction, name::VERIFIED, &value).await)
            .await
    }

    /// The last verification; `None` before the first.
    pub async fn find_verification(&self) -> Result<Option<Verification>, Error> {
        let Some(text) = find(self.pools().reader(), name::VERIFIED).await? else {
            return Ok(None);
        };
        let bad = || Error::inconsistent("settings", "value", name::VERIFIED);
        let (at, discrepancies) = text.split_once(' ').ok_or_else(bad)?;
        let at = at.parse().map_err(|_| bad())?;
        Ok(Some(Verification {
            at: instant::from_millis("settings", "value", at)?,
            discrepancies: discrepancies.parse().map_err(|_| bad())?,
        }))
    }
}

impl Store {
    /// Records a backup that was made with the command.
    pub async fn record_backup(&self, taken_at: DateTime<Utc>) -> Result<(), Error> {
        let value = instant::to_millis(taken_at).to_string();
        self.pools()
            .within(async |transaction| set(transaction, name::BACKED_UP, &value).await)
            .await
    }

    /// When the last backup was made with the command; `None` before the first.
    pub async fn find_last_backup(&self) -> Result<Option<DateTime<Utc>>, Error> {
        let at = find_number(self.pools().reader(), name::BACKED_UP).await?;
        at.map(|at| instant::from_millis("settings", "value", at))
            .transpose()
    }
}

/// Records the version of the program that writes the database.
pub(super) async fn record_written_by(
    connection: &impl ConnectionTrait,
    version: &str,
) -> Result<(), Error> {
    let stored = find(connection, name::WRITTEN_BY).await?;
    if stored.as_deref() == Some(version) {
        return Ok(());
    }
    set(connection, name::WRITTEN_BY, version).await
}

/// Moves the reconcile position; [`Error::Overtaken`] when another process moved it first.
pub(crate) async fn move_position(
    connection: &impl ConnectionTrait,
    from: i64,
    to: i64,
) -> Result<(), Error> {
    if from == 0 && find(connection, name::POSITION).await?.is_none() {
        return set(connection, name::POSITION, &to.to_string()).await;
    }
    let moved = setting_row::Entity::update_many()
        .col_expr(setting_row::Column::Value, Expr::value(to.to_string()))
        .filter(
            setting_row::Column::Name
                .eq(name::POSITION)
                .and(setting_row::Column::Value.eq(from.to_string())),
        )
        .exec(connection)
        .await?;
    if moved.rows_affected == 1 {
        Ok(())
    } else {
        Err(Error::Overtaken)
    }
}

pub(crate) async fn position(connection: &impl ConnectionTrait) -> Result<i64, Error> {
    Ok(find_number(connection, name::POSITION)
        .await?
        .unwrap_or_default())
}

/// Sets the position back to `to`.
pub(crate) async fn begin_rebuild(connection: &impl ConnectionTrait, to: i64) -> Result<(), Error> {
    record_rebuild_end(connection).await?;
    set(connection, name::POSITION, &to.to_string()).await
}

/// A rebuild ends at the last processed `seq`. An interrupted rebuild has already set the position
/// back, so its end stays.
async fn record_rebuild_end(connection: &impl ConnectionTrait) -> Result<(), Error> {
    let processed = position(connection).await?;
    let interrupted = rebuilding_until(connection).await?.unwrap_or_default();
    let until = Ord::max(processed, interrupted);
    set(connection, name::REBUILDING_UNTIL, &until.to_string()).await
}

pub(crate) async fn end_rebuild(connection: &impl ConnectionTrait) -> Result<(), Error> {
    remove(connection, name::REBUILDING_UNTIL).await
}

/// The journal `seq` up to which a rebuild reprocesses, while one is running.
pub(crate) async fn rebuilding_until(
    connection: &impl ConnectionTrait,
) -> Result<Option<i64>, Error> {
    find_number(connection, name::REBUILDING_UNTIL).await
}

/// Messages created before this instant were purged. In milliseconds.
pub(super) async fn messages_purged_before(
    connection: &impl ConnectionTrait,
) -> Result<Option<i64>, Error> {
    find_number(connection, name::MESSAGES_PURGED_BEFORE).await
}

/// Counts before this instant include purged messages. In milliseconds.
pub(super) async fn counts_purged_before(
    connection: &impl ConnectionTrait,
) -> Result<Option<i64>, Error> {
    let counts = find_number(connection, name::COUNTS_PURGED_BEFORE).await?;
    Ok(Ord::max(counts, messages_purged_before(connection).await?))
}

/// Records that messages with these times of creation and counting are being purged. In
/// milliseconds.
pub(super) async fn note_purge(
    connection: &impl ConnectionTrait,
    created_before: i64,
    counted_before: i64,
) -> Result<(), Error> {
    for (name, instant) in [
        (name::MESSAGES_PURGED_BEFORE, created_before),
        (name::COUNTS_PURGED_BEFORE, counted_before),
    ] {
        let stored = find_number(connection, name).await?;
        if stored.is_none_or(|stored| stored < instant) {
            set(connection, name, &instant.to_string()).await?;
        }
    }
    Ok(())
}

pub(crate) async fn are_charges_counted(connection: &impl ConnectionTrait) -> Result<bool, Error> {
    Ok(find(connection, name::CHARGES_COUNTED).await?.is_some())
}

pub(crate) async fn note_charges_counted(connection: &impl ConnectionTrait) -> Result<(), Error> {
    set(connection, name::CHARGES_COUNTED, "1").await
}

async fn find_number(
    connection: &impl ConnectionTrait,
    name: &'static str,
) -> Result<Option<i64>, Error> {
    let text = find(connection, name).await?;
    text.map(|text| parse_number(&text, name)).transpose()
}

fn parse_number(text: &str, name: &'static str) -> Result<i64, Error> {
    text.parse()
        .map_err(|_| Error::inconsistent("settings", "value", name))
}

pub(super) async fn find(
    connection: &impl ConnectionTrait,
    name: &str,
) -> Result<Option<String>, Error> {
    Ok(setting_row::Entity::find_by_id(name)
        .one(connection)
        .await?
        .map(|row| row.value))
}

pub(super) async fn remove(connection: &impl ConnectionTrait, name: &str) -> Result<(), Error> {
    setting_row::Entity::delete_by_id(name)
        .exec(connection)
        .await?;
    Ok(())
}

pub(super) async fn set(
    connection: &impl ConnectionTrait,
    name: &str,
    value: &str,
) -> Result<(), Error> {
    let row = setting_row::Model {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let replace = OnConflict::column(setting_row::Column::Name)
        .update_column(setting_row::Column::Value)
        .to_owned();
    setting_row::Entity::insert(row.into_active_model())
        .on_conflict(replace)
        .exec_without_returning(connection)
        .await?;
    Ok(())
}
