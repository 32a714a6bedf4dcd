//! Refuses a database that belongs to another secret key, another journal or another backup.

use sea_orm::{ColumnTrait, Condition, ConnectionTrait};
use uuid::Uuid;

use crate::db::{Error, JournalState};
use crate::store::entities::callback_outcome_row;
use crate::store::store_settings::{find, name, remove, set};
use crate::store::{Store, outcome_counts};

impl Store {
    /// Stores the secret key's fingerprint at the first start; later rejects any key but this one
    /// or one of `previous`.
    pub async fn claim_fingerprint(
        &self,
        fingerprint: &str,
        previous: &[String],
    ) -> Result<(), Error> {
        self.pools()
            .within(async |transaction| {
                refuse_other_secret_key(transaction, fingerprint, previous).await?;
                set(transaction, name::KEY_FINGERPRINT, fingerprint).await
            })
            .await
    }

    /// The check of [`Store::claim_fingerprint`], before the migrations.
    pub async fn check_fingerprint(
        &self,
        fingerprint: &str,
        previous: &[String],
    ) -> Result<(), Error> {
        refuse_other_secret_key(self.pools().reader(), fingerprint, previous).await
    }

    /// Binds the database to its journal at the first start. Later rejects another journal, one
    /// that ends before our position, and one that was used with another database since.
    ///
    /// `position` is our position from before the journal's state was read, because another process
    /// may be processing it. The caller then writes `next_mark` into the journal.
    pub async fn claim_journal(
        &self,
        position: i64,
        journal: &JournalState,
        next_mark: Uuid,
    ) -> Result<(), Error> {
        self.pools()
            .within(async |transaction| {
                if let Some(mismatch) =
                    find_journal_mismatch(transaction, position, journal).await?
                {
                    return Err(Error::Foreign(mismatch));
                }
                let identity = journal.identity.to_string();
                set(transaction, name::JOURNAL_IDENTITY, &identity).await?;
                match journal.mark {
                    Some(mark) => set(transaction, name::JOURNAL_MARK, &mark.to_string()).await?,
                    None => remove(transaction, name::JOURNAL_MARK).await?,
                }
                set(transaction, name::JOURNAL_MARK_NEXT, &next_mark.to_string()).await
            })
            .await
    }

    /// Accepts a journal from another point in time, if it has the same identity; returns how many
    /// processed callbacks it lacks. Their outcomes are deleted, as by a purge.
    pub async fn accept_journal(&self, journal: &JournalState) -> Result<u64, Error> {
        self.pools()
            .within(async |transaction| {
                let stored = find(transaction, name::JOURNAL_IDENTITY).await?;
                if stored.is_some_and(|stored| stored != journal.identity.to_string()) {
                    return Err(Error::Foreign(
                        "journal.db and bluetick.db are of different installations".to_owned(),
                    ));
                }
                let identity = journal.identity.to_string();
                set(transaction, name::JOURNAL_IDENTITY, &identity).await?;
                match journal.mark {
                    Some(mark) => set(transaction, name::JOURNAL_MARK, &mark.to_string()).await?,
                    None => remove(transaction, name::JOURNAL_MARK).await?,
                }
                let missing =
                    Condition::all().add(callback_outcome_row::Column::Seq.gt(journal.end));
                let removed = outcome_counts::remove_outcomes(transaction, missing).await?;
                outcome_counts::count_again_from(transaction, journal.end + 1).await?;
                Ok(removed)
            })
            .await
    }

    /// The check of [`Store::claim_journal`], for read-only commands and before the migrations.
    pub async fn check_journal(&self, position: i64, journal: &JournalState) -> Result<(), Error> {
        match find_journal_mismatch(self.pools().reader(), position, journal).await? {
            Some(mismatch) => Err(Error::Foreign(mismatch)),
            None => Ok(()),
        }
    }
}

async fn refuse_other_secret_key(
    connection: &impl ConnectionTrait,
    fingerprint: &str,
    previous: &[String],
) -> Result<(), Error> {
    let stored = find(connection, name::KEY_FINGERPRINT).await?;
    if stored.is_none_or(|stored| stored == fingerprint || previous.contains(&stored)) {
        return Ok(());
    }
    Err(Error::Foreign(
        "secret_key is not the one this database was made with; callback and report addresses given to \
         providers would stop working. Restore the old key, or list it in secret_key_previous"
            .to_owned(),
    ))
}

/// Why the journal does not belong to this database, if it does not.
async fn find_journal_mismatch(
    connection: &impl ConnectionTrait,
    position: i64,
    journal: &JournalState,
) -> Result<Option<String>, Error> {
    let Some(stored) = find(connection, name::JOURNAL_IDENTITY).await? else {
        let text = "journal.db holds callbacks, but bluetick.db is new; restore bluetick.db from the same backup, or move \
                     journal.db away to start with a new database";
        return Ok((journal.end > 0).then(|| text.to_owned()));
    };
    if stored != journal.identity.to_string() {
        let text =
            "journal.db and bluetick.db do not belong together; restore both from one backup";
        return Ok(Some(text.to_owned()));
    }
    let end = journal.end;
    if position > end {
        return Ok(Some(format!(
            "bluetick.db has processed the journal up to {position}, but journal.db ends at {end}; restore both from one backup"
        )));
    }
    let mark = journal.mark.map(|mark| mark.to_string());
    let marks = [
        find(connection, name::JOURNAL_MARK).await?,
        find(connection, name::JOURNAL_MARK_NEXT).await?,
    ];
    let text =
        "journal.db has since been used with a newer bluetick.db; restore both from one backup";
    Ok((!marks.contains(&mark)).then(|| text.to_owned()))
}
