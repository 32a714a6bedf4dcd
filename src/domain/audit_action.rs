//! Entries of the audit log: who did what, and when.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};

use chrono::{DateTime, Utc};

use crate::domain::ids::{AccountId, ActionId, MessageId};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum ActionKind {
    /// Signed in to the dashboard, with a one-time link or a password.
    SignIn,
    SignOut,
    /// Ended another session.
    EndSession,
    SetPassword,
    CreateUser,
    ChangeRole,
    DisableUser,
    EnableUser,
    CreateSignInLink,
    CreateToken,
    RevokeToken,
    /// Sent a message from the dashboard.
    Send,
    /// Cancelled a message before it was submitted.
    Cancel,
    Resend,
    MarkFailed,
    /// Matched an orphan to a message.
    Match,
    Unmatch,
    /// Dismissed a problem.
    #[strum(serialize = "put-aside")]
    Dismiss,
    ResumeAccount,
    PauseAccount,
    /// Released a callback that failed authentication.
    ReleaseCallback,
    /// Reprocessed callbacks.
    ReplayCallbacks,
    /// Restored the databases from a backup.
    RestoreBackup,
    /// Erased the personal data of one customer.
    ErasePerson,
    /// Exported the personal data of one customer.
    ExportPerson,
    CreateCampaign,
    StartCampaign,
    PauseCampaign,
    ResumeCampaign,
    CancelCampaign,
}
enum_words!(ActionKind, "an action");

/// Who carries out an action, and from where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Actor<'a> {
    /// A caller's name, or `command line`.
    pub name: &'a str,
    /// The IP address of the request.
    pub address: Option<&'a str>,
}

impl<'a> Actor<'a> {
    /// An actor on this machine.
    pub const fn local(name: &'a str) -> Self {
        Self {
            name,
            address: None,
        }
    }
}

impl<'a> From<&'a str> for Actor<'a> {
    fn from(name: &'a str) -> Self {
        Self::local(name)
    }
}

/// An entry of the audit log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Action {
    /// Also the source of receipts that this action created.
    pub id: ActionId,
    /// A caller's name, or `command line`.
    pub actor: String,
    pub kind: ActionKind,
    pub message: Option<MessageId>,
    pub account: Option<AccountId>,
    /// Contains no personal data of customers.
    pub detail: Option<String>,
    /// The IP address that the request came from; none for the command line.
    pub address: Option<String>,
    pub happened_at: DateTime<Utc>,
}

impl Action {
    /// An action without message, account and detail.
    pub fn new<'a>(actor: impl Into<Actor<'a>>, kind: ActionKind, now: DateTime<Utc>) -> Self {
        let actor = actor.into();
        Self {
            id: ActionId::new(now),
            actor: actor.name.to_owned(),
            address: actor.address.map(str::to_owned),
            kind,
            message: None,
            account: None,
            detail: None,
            happened_at: now,
        }
    }
}
