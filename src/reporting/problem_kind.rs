//! The kinds of problems: titles, reasons and next steps.

use crate::domain::enum_words::enum_words;
use crate::store::page_counts::Problems;

#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum ProblemKind {
    /// Accounts that do not send.
    PausedAccounts,
    /// Accounts whose submissions failed one after another.
    TrippedAccounts,
    /// Submitted, outcome unknown.
    Uncertain,
    /// Submitted, and nothing reported within the deadline.
    Overdue,
    /// Delivered and reported as failed.
    Conflicts,
    Orphans,
    /// Ids that two sent messages have.
    IdConflicts,
    /// Callbacks, or parts of them, that could not be parsed.
    Quarantine,
    /// Callbacks that failed authentication.
    Unverified,
    /// Requests to callback URLs with an unknown account or a wrong token.
    Rejected,
}
enum_words!(ProblemKind);

impl ProblemKind {
    pub fn title(self) -> &'static str {
        match self {
            Self::PausedAccounts => "Paused accounts",
            Self::TrippedAccounts => "Tripped accounts",
            Self::Uncertain => "Uncertain",
            Self::Overdue => "Overdue",
            Self::Conflicts => "Delivered and failed",
            Self::Orphans => "Unmatched reports",
            Self::IdConflicts => "Duplicate provider ids",
            Self::Quarantine => "Unparseable callbacks",
            Self::Unverified => "Unverified callbacks",
            Self::Rejected => "Rejected requests",
        }
    }

    pub fn reason(self) -> &'static str {
        match self {
            Self::PausedAccounts => {
                "The provider refused the account (its key, balance or number), or an operator paused it. Its messages stay queued."
            }
            Self::TrippedAccounts => {
                "Submissions failed one after another, so nothing is sent but single messages that test whether the provider accepts again. The other messages stay queued."
            }
            Self::Uncertain => {
                "The request was sent, but the provider gave no clear answer. The message may have been sent, so it is never repeated automatically."
            }
            Self::Overdue => {
                "The provider accepted them, but reported nothing within the account's deadline."
            }
            Self::Conflicts => {
                "One report says delivered, another failed; recipients with several devices can cause this. Delivered takes precedence."
            }
            Self::Orphans => {
                "Providers reported on messages that were not sent from here, or whose id is not known yet."
            }
            Self::IdConflicts => {
                "A provider gave two of our messages the same id. Reports with that id count for the first one."
            }
            Self::Quarantine => {
                "A callback, or a part of it, could not be parsed. Nothing is lost: the whole request is kept."
            }
            Self::Unverified => {
                "They came to the right URL without the right secret. They are kept but not processed."
            }
            Self::Rejected => {
                "Requests to callback URLs with an unknown account or a wrong token, since this process started. The page Callbacks lists the latest."
            }
        }
    }

    pub fn next_step(self) -> &'static str {
        match self {
            Self::PausedAccounts => {
                "Fix the reason given below in the provider's console, then resume."
            }
            Self::TrippedAccounts => {
                "Check the provider's status page, the network and base_url. Sending continues with the first accepted message; resume to test at once."
            }
            Self::Uncertain => {
                "Check the provider's console or ask the customer. Then resend, which may be charged twice, or mark as failed. A late report resolves it automatically."
            }
            Self::Overdue => {
                "Check that the account's callbacks arrive. If they do, the phone is probably off: wait, or mark as failed."
            }
            Self::Conflicts => {
                "No action is needed for the customer. Open the message to see both reports, then dismiss it."
            }
            Self::Orphans => {
                "Match a report with its message if you know it. Unless adoption is off, unmatched reports become messages \u{201c}sent elsewhere\u{201d} automatically. Others can be dismissed until the next report."
            }
            Self::IdConflicts => {
                "Compare both messages; the one without reports may have arrived as well. Inform the provider."
            }
            Self::Quarantine => {
                "Open the callback and compare it with what the provider documents. Field names of your own choice belong in callback_fields. Once that is fixed, or after an update, replay it."
            }
            Self::Unverified => {
                "Compare the secret in the provider's console with callback_auth in the configuration. Release callbacks that you know are from the provider."
            }
            Self::Rejected => {
                "Compare the URL in each provider's console with the one on the page Accounts."
            }
        }
    }

    /// The count in the database; rejected requests are counted by the process only.
    pub fn count(self, problems: &Problems) -> u64 {
        match self {
            Self::PausedAccounts => problems.paused_accounts,
            Self::TrippedAccounts => problems.tripped_accounts,
            Self::Uncertain => problems.uncertain,
            Self::Overdue => problems.overdue,
            Self::Conflicts => problems.conflicts,
            Self::Orphans => problems.orphans,
            Self::IdConflicts => problems.id_conflicts,
            Self::Quarantine => problems.quarantine,
            Self::Unverified => problems.unverified,
            Self::Rejected => 0,
        }
    }
}
