//! How an exchange with a provider's send API ended.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};

#[derive(Clone, Copy, PartialEq, Eq, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum AttemptOutcome {
    /// Recorded before the first byte. If it stays, the process died during the exchange.
    Started,
    Accepted,
    Refused,
    /// Certainly not accepted; retried later.
    Postponed,
    Unclear,
}
enum_words!(AttemptOutcome, "an attempt outcome");

impl AttemptOutcome {
    /// Every outcome of an attempt that has ended.
    pub const ENDED: [Self; 4] = [
        Self::Accepted,
        Self::Refused,
        Self::Postponed,
        Self::Unclear,
    ];
}
