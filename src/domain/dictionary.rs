//! What a failure code means, in plain words, what class of trouble it is, and what to do about it.

use crate::domain::failure::{Failure, FailureClass};
use crate::domain::provider::ProviderId;

/// One entry of the dictionary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// Who can mend it.
    pub class: FailureClass,
    /// What happened, in plain words.
    pub meaning: &'static str,
    /// What to do.
    pub action: &'static str,
}

/// Looks a failure up by provider, code and (Kaleyra) the key inside `error`; never fails, an unexplained code is `unknown`.
pub fn explain(_provider: ProviderId, _failure: &Failure) -> Explanation {
    Explanation {
        class: FailureClass::Unknown,
        meaning: "",
        action: "",
    }
}
