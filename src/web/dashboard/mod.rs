//! The pages a person looks at: one file per page with its view model and its template.
//!
//! A view model is built by a pure function from domain values, who is looking and the current instant; its template only prints. All HTML comes out of askama, which escapes by default.

pub mod accounts;
pub mod address;
pub mod callback;
pub mod callbacks;
pub mod error_page;
pub mod figure;
pub mod frame;
pub mod login;
pub mod masking;
pub mod message;
pub mod messages;
pub mod moment;
pub mod overview;
pub mod pill;
pub mod reports;
pub mod text;
pub mod timeline;
