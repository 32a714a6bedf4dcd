//! Removes the personal data of one customer from everything in the data folder, and checks that
//! nothing is left; or exports it.
//!
//! Messages are kept without recipient, content and ids, so that counts stay correct. Callbacks
//! that name the customer are deleted, as by a purge; the receipts of other messages stay.

mod callback_decodings;
mod callback_selection;
mod erase;
mod erasure_error;
mod export_person;
mod file_search;
mod identities;
mod identity_matcher;
mod person_parts;

pub use erase::{ErasureProgress, ErasureReport, erase};
pub use erasure_error::ErasureError;
pub use export_person::{PersonExport, export_person};
pub use identities::{Identities, find_identities};
pub use identity_matcher::IdentityMatcher;
