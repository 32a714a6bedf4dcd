//! Facts about the database itself, and leases on jobs that one process at a time does.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use crate::store::entities::{leases, settings};
use crate::store::{Error, Store, instant};

/// Names of the facts.
mod name {
    /// Fingerprint of the secret key.
    pub(super) const KEY_FINGERPRINT: &str = "key_fingerprint";
    /// Identity of the journal that this database was derived from.
    pub(super) const JOURNAL_IDENTITY: &str = "journal_identity";
    /// Last journal `seq` whose effects are here.
    pub(super) const POSITION: &str = "reconcile_position";
}

impl Store {
    /// Remembers the secret key's fingerprint on the first start; on later ones refuses any key but this or one of `previous`.
    pub async fn claim_fingerprint(
        &self,
        fingerprint: &str,
        previous: &[String],
    ) -> Result<(), Error> {
        let transaction = self.pools().begin().await?;
        let known = find(&transaction, name::KEY_FINGERPRINT).await?;
        let refused = known
            .as_ref()
            .is_some_and(|known| known != fingerprint && !previous.contains(known));
        if refused {
            transaction.rollback().await?;
            return Err(Error::Foreign(
                "secret_key is not the one this database was made with; callback and report addresses given to \
                 providers would stop working. Restore the old key, or list it in secret_key_previous"
                    .to_owned(),
            ));
        }
        set(&transaction, name::KEY_FINGERPRINT, fingerprint).await?;
        Ok(transaction.commit().await?)
    }

    /// Ties the database to its journal on the first start; on later ones refuses another journal, or one that ends before our position.
    pub async fn claim_journal(&self, identity: Uuid, end: i64) -> Result<(), Error> {
        let transaction = self.pools().begin().await?;
        let known = find(&transaction, name::JOURNAL_IDENTITY).await?;
        let position = position(&transaction).await?;
        let complaint = if known
            .as_ref()
            .is_some_and(|known| *known != identity.to_string())
        {
            Some(
                "journal.db and bluetick.db do not belong together; restore both from one backup"
                    .to_owned(),
            )
        } else if position > end {
            Some(format!(
                "bluetick.db has read the journal up to {position}, but journal.db ends at {end}; restore both from one backup"
            ))
        } else {
            None
        };
        if let Some(complaint) = complaint {
            transaction.rollback().await?;
            return Err(Error::Foreign(complaint));
        }
        set(&transaction, name::JOURNAL_IDENTITY, &identity.to_string()).await?;
        Ok(transaction.commit().await?)
    }

    /// The last journal `seq` whose effects are in this database; 0 before the first.
    pub async fn position(&self) -> Result<i64, Error> {
        position(self.pools().reader()).await
    }

    /// Takes or renews a lease; false while another holder's has not run out.
    pub async fn claim_lease(
        &self,
        lease: &str,
        holder: Uuid,
        now: DateTime<Utc>,
        length: TimeDelta,
    ) -> Result<bool, Error> {
        let transaction = self.pools().begin().await?;
        let row = leases::Entity::find_by_id(lease).one(&transaction).await?;
        if row.is_some_and(|row| row.holder != holder && row.expires_at > instant::write(now)) {
            transaction.rollback().await?;
            return Ok(false);
        }
        let row = leases::Model {
            name: lease.to_owned(),
            holder,
            expires_at: instant::write(now + length),
        };
        let renew = OnConflict::column(leases::Column::Name)
            .update_columns([leases::Column::Holder, leases::Column::ExpiresAt])
            .to_owned();
        leases::Entity::insert(row.into_active_model())
            .on_conflict(renew)
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
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
        Err(Error::UnexpectedRowCount {
            table: "settings",
            expected: 1,
            touched: moved.rows_affected,
        })
    }
}

async fn position(connection: &impl ConnectionTrait) -> Result<i64, Error> {
    match find(connection, name::POSITION).await? {
        None => Ok(0),
        Some(text) => text
            .parse()
            .map_err(|_| Error::inconsistent("settings", "value", name::POSITION)),
    }
}

async fn find(connection: &impl ConnectionTrait, name: &str) -> Result<Option<String>, Error> {
    Ok(settings::Entity::find_by_id(name)
        .one(connection)
        .await?
        .map(|row| row.value))
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
