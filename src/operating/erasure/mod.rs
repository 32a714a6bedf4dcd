//! Removes the personal data of one customer from everything in the data folder, and checks that
//! nothing is left.
//!
//! Messages stay without recipient, content and ids, so that counts stay true. Callbacks that name
//! the customer are deleted, as a purge would; the receipts of other messages stay.

mod erase;
mod erasure_error;
mod file_search;
mod identities;
mod identity_matcher;
mod text_decoding;

pub use erase::{ErasureReport, erase};
pub use erasure_error::ErasureError;
pub use identities::{Identities, find_identities};
pub use identity_matcher::IdentityMatcher;
