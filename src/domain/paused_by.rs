//! Who paused an account.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};

#[derive(Clone, Copy, PartialEq, Eq, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum PausedBy {
    Operator,
    /// By its replies or reports: it rejects the account, or most messages.
    Provider,
}
enum_words!(PausedBy, "a party that pauses an account");
