//! `/login`: a one-time link becomes a session by pressing a button.
//!
//! **Invariant:** opening the link consumes nothing. Chat programs open links to preview them; only the button's POST signs in.

use askama::Template;

use crate::web::dashboard::frame::Frame;

/// What the visitor brought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invitation {
    /// A token in the query, not looked at yet.
    Link(String),
    /// None: they typed the address, or their session ended.
    None,
    /// A token that was used, is too old, or never existed; which of these is nobody's business.
    Stale,
}

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "login.html")]
pub struct LoginPage {
    frame: Frame,
    invitation: Invitation,
}

impl LoginPage {
    /// The page for what the visitor brought.
    pub fn new(invitation: Invitation) -> Self {
        Self {
            frame: Frame::outside("Sign in"),
            invitation,
        }
    }
}
