//! Facts about the database itself, and leases on jobs that one process at a time does.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use crate::db::{Error, JournalState, instant};
use crate::store::Store;
use crate::store::entities::{leases, settings};

/// Names of the facts.
mod name {
    /// Fingerprint of the secret key.
    pub(super) const KEY_FINGERPRINT: &str = "key_fingerprint";
    /// Identity of the journal that this database was derived from.
    pub(super) const JOURNAL_IDENTITY: &str = "journal_identity";
    /// The mark that the journal had at the last start.
    pub(super) const JOURNAL_MARK: &str = "journal_mark";
    /// The mark that the last start was about to leave in the journal.
    pub(super) const JOURNAL_MARK_NEXT: &str = "journal_mark_next";
    /// Last journal `seq` whose effects are here.
    pub(super) const POSITION: &str = "reconcile_position";
    /// Journal `seq` up to which a rebuild reads again; absent when none is under way.
    pub(super) const REBUILDING_UNTIL: &str = "rebuilding_until";
    /// Messages created before this instant (ms) were purged, so their counts have no rows behind them; absent when none were.
    pub(super) const MESSAGES_PURGED_BEFORE: &str = "messages_purged_before";
}

impl Store {
    /// Remembers the secret key's fingerprint on the first start; on later ones refuses any key but this or one of `previous`.
    pub async fn claim_fingerprint(
        &self,
        fingerprint: &str,
        previous: &[String],
    ) -> Result<(), Error> {
        self.pools()
            .within(async |transaction| {
                let known = find(transaction, name::KEY_FINGERPRINT).await?;
                let refused = known
                    .as_ref()
                    .is_some_and(|known| known != fingerprint && !previous.contains(known));
                if refused {
                    return Err(Error::Foreign(
                        "secret_key is not the one this database was made with; callback and report addresses given to \
                         providers would stop working. Restore the old key, or list it in secret_key_previous"
                            .to_owned(),
                    ));
                }
                set(transaction, name::KEY_FINGERPRINT, fingerprint).await
            })
            .await
    }

    /// Ties the database to its journal on the first start; on later ones refuses another journal, one that ends before our position, and one that has lived on without us.
    ///
    /// `read` is our position from before the journal was looked at: another process may go on reading meanwhile. The journal gets `next` as its mark after this.
    pub async fn claim_journal(
        &self,
        read: i64,
        journal: &JournalState,
        next: Uuid,
    ) -> Result<(), Error> {
        self.pools()
            .within(async |transaction| {
                if let Some(complaint) = complaint(transaction, read, journal).await? {
                    return Err(Error::Foreign(complaint));
                }
                let identity = journal.identity.to_string();
                set(transaction, name::JOURNAL_IDENTITY, &identity).await?;
                match journal.mark {
                    Some(mark) => set(transaction, name::JOURNAL_MARK, &mark.to_string()).await?,
                    None => remove(transaction, name::JOURNAL_MARK).await?,
                }
                set(transaction, name::JOURNAL_MARK_NEXT, &next.to_string()).await
            })
            .await
    }

    /// The same check, for who writes nothing.
    pub async fn check_journal(&self, read: i64, journal: &JournalState) -> Result<(), Error> {
        match complaint(self.pools().reader(), read, journal).await? {
            Some(complaint) => Err(Error::Foreign(complaint)),
            None => Ok(()),
        }
    }

    /// The last journal `seq` whose effects are in this database; 0 before the first.
    pub async fn position(&self) -> Result<i64, Error> {
        position(self.pools().reader()).await
    }

    /// The journal `seq` up to which a rebuild reads again, while one is under way.
    pub async fn rebuilding_until(&self) -> Result<Option<i64>, Error> {
        rebuilding_until(self.pools().reader()).await
    }

    /// Says that everything that was read is about to be read again, so that nothing of it leaves the journal meanwhile.
    pub async fn announce_rebuild(&self) -> Result<(), Error> {
        self.pools()
            .within(async |transaction| remember_read(transaction).await)
            .await
    }

    /// Takes or renews a lease; false while another holder's has not run out.
    pub async fn claim_lease(
        &self,
        lease: &str,
        holder: Uuid,
        now: DateTime<Utc>,
        length: TimeDelta,
    ) -> Result<bool, Error> {
        let row = leases::Model {
            name: lease.to_owned(),
            holder,
            expires_at: instant::write(now + length),
        };
        let renew = OnConflict::column(leases::Column::Name)
            .update_columns([leases::Column::Holder, leases::Column::ExpiresAt])
            .to_owned();
        let claimed = self
            .pools()
            .within(async |transaction| {
                let known = leases::Entity::find_by_id(lease).one(transaction).await?;
                let is_anothers = |known: leases::Model| {
                    known.holder != holder && known.expires_at > instant::write(now)
                };
                if known.is_some_and(is_anothers) {
                    return Ok(false);
                }
                leases::Entity::insert(row.into_active_model())
                    .on_conflict(renew)
                    .exec_without_returning(transaction)
                    .await?;
                Ok(true)
            })
            .await;
        self.noted(claimed)
    }

    /// Gives a lease back, if it is still ours.
    pub async fn release_lease(&self, lease: &str, holder: Uuid) -> Result<(), Error> {
        leases::Entity::delete_many()
            .filter(
                leases::Column::Name
                    .eq(lease)
                    .and(leases::Column::Holder.eq(holder)),
            )
            .exec(self.pools().writer())
            .await?;
        Ok(())
    }
}

/// Why a journal is not this database's, if it is not.
async fn complaint(
    connection: &impl ConnectionTrait,
    read: i64,
    journal: &JournalState,
) -> Result<Option<String>, Error> {
    let Some(known) = find(connection, name::JOURNAL_IDENTITY).await? else {
        let words = "journal.db holds callbacks, but bluetick.db is new; restore bluetick.db from the same backup, or move \
                     journal.db away to start with a new database";
        return Ok((journal.end > 0).then(|| words.to_owned()));
    };
    if known != journal.identity.to_string() {
        let words =
            "journal.db and bluetick.db do not belong together; restore both from one backup";
        return Ok(Some(words.to_owned()));
    }
    let end = journal.end;
    if read > end {
        return Ok(Some(format!(
            "bluetick.db has read the journal up to {read}, but journal.db ends at {end}; restore both from one backup"
        )));
    }
    let mark = journal.mark.map(|mark| mark.to_string());
    let marks = [
        find(connection, name::JOURNAL_MARK).await?,
        find(connection, name::JOURNAL_MARK_NEXT).await?,
    ];
    let words = "journal.db was used since with a later bluetick.db than this one; restore both from one backup";
    Ok((!marks.contains(&mark)).then(|| words.to_owned()))
}

/// Moves the reconcile position; an error when somebody else moved it first.
pub(crate) async fn move_position(
    connection: &impl ConnectionTrait,
    from: i64,
    to: i64,
) -> Result<(), Error> {
    if from == 0 && find(connection, name::POSITION).await?.is_none() {
        return set(connection, name::POSITION, &to.to_string()).await;
    }
    let moved = settings::Entity::update_many()
        .col_expr(settings::Column::Value, Expr::value(to.to_string()))
        .filter(
            settings::Column::Name
                .eq(name::POSITION)
                .and(settings::Column::Value.eq(from.to_string())),
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

/// Sets the position back and remembers up to where the journal was read: only that far is it read again.
pub(crate) async fn begin_rebuild(connection: &impl ConnectionTrait, to: i64) -> Result<(), Error> {
    remember_read(connection).await?;
    set(connection, name::POSITION, &to.to_string()).await
}

/// A rebuild that was interrupted has set the position back already; what it remembered holds.
async fn remember_read(connection: &impl ConnectionTrait) -> Result<(), Error> {
    let read = position(connection).await?;
    let interrupted = rebuilding_until(connection).await?.unwrap_or_default();
    let until = Ord::max(read, interrupted);
    set(connection, name::REBUILDING_UNTIL, &until.to_string()).await
}

/// Everything was read again.
pub(crate) async fn end_rebuild(connection: &impl ConnectionTrait) -> Result<(), Error> {
    remove(connection, name::REBUILDING_UNTIL).await
}

/// The journal `seq` up to which a rebuild reads again, while one is under way.
pub(crate) async fn rebuilding_until(
    connection: &impl ConnectionTrait,
) -> Result<Option<i64>, Error> {
    find_number(connection, name::REBUILDING_UNTIL).await
}

/// The instant (ms) before which messages were purged.
pub(crate) async fn purged_before(connection: &impl ConnectionTrait) -> Result<Option<i64>, Error> {
    find_number(connection, name::MESSAGES_PURGED_BEFORE).await
}

/// Messages created before `instant` (ms) are being purged: from now on their counts have no rows behind them.
pub(crate) async fn note_purged_before(
    connection: &impl ConnectionTrait,
    instant: i64,
) -> Result<(), Error> {
    let known = purged_before(connection).await?;
    if known.is_none_or(|known| known < instant) {
        set(
            connection,
            name::MESSAGES_PURGED_BEFORE,
            &instant.to_string(),
        )
        .await?;
    }
    Ok(())
}

async fn find_number(
    connection: &impl ConnectionTrait,
    name: &'static str,
) -> Result<Option<i64>, Error> {
    let text = find(connection, name).await?;
    text.map(|text| {
        text.parse()
            .map_err(|_| Error::inconsistent("settings", "value", name))
    })
    .transpose()
}

async fn find(connection: &impl ConnectionTrait, name: &str) -> Result<Option<String>, Error> {
    Ok(settings::Entity::find_by_id(name)
        .one(connection)
        .await?
        .map(|row| row.value))
}

async fn remove(connection: &impl ConnectionTrait, name: &str) -> Result<(), Error> {
    settings::Entity::delete_by_id(name)
        .exec(connection)
        .await?;
    Ok(())
}

async fn set(connection: &impl ConnectionTrait, name: &str, value: &str) -> Result<(), Error> {
    let row = settings::Model {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let replace = OnConflict::column(settings::Column::Name)
        .update_column(settings::Column::Value)
        .to_owned();
    settings::Entity::insert(row.into_active_model())
        .on_conflict(replace)
        .exec_without_returning(connection)
        .await?;
    Ok(())
}
