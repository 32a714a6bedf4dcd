//! Who has access to restored data: what was revoked, disabled or signed out after the backup is
//! valid again.

use std::fmt;

use crate::domain::api_token::ApiToken;
use crate::domain::user::User;
use crate::operating::action_context::ActionContext;
use crate::operating::backup::backup_error::BackupError;
use crate::store::Store;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RestoredAccess {
    pub ended_sessions: u64,
    /// Sign-in links that were not used yet.
    pub deleted_links: u64,
    /// Valid tokens, including those that were revoked after the backup.
    pub tokens: Vec<ApiToken>,
    /// Enabled users, with their roles and passwords as of the backup.
    pub users: Vec<User>,
}

impl RestoredAccess {
    /// Ends sessions and deletes sign-in links, because users can sign in again. API clients
    /// cannot, so tokens stay valid and the operator decides which to revoke.
    pub(super) async fn end_sign_ins(
        store: &Store,
        context: &ActionContext<'_>,
    ) -> Result<Self, BackupError> {
        let (ended_sessions, deleted_links) = store.end_all_sign_ins(context.now).await?;
        let mut tokens = store.list_tokens().await?;
        tokens.retain(|token| token.is_valid_at(context.now));
        let mut users = store.list_users().await?;
        users.retain(|user| user.disabled_at.is_none());
        Ok(Self {
            ended_sessions,
            deleted_links,
            tokens,
            users,
        })
    }
}

impl fmt::Display for RestoredAccess {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} sessions were ended, {} sign-in links deleted, {} tokens and {} users are valid",
            self.ended_sessions,
            self.deleted_links,
            self.tokens.len(),
            self.users.len()
        )
    }
}
