//! `/login`: a one-time link becomes a session when the button is pressed.
//!
//! **Invariant:** opening the link consumes nothing, because chat programs open links for previews.
//! Only the POST of the button signs in.

use askama::Template;

use crate::web::dashboard::page_frame::Frame;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignInLink {
    /// Token from the query, not checked yet.
    Token(String),
    /// The visitor opened the page without a link, or the session ended.
    None,
    /// The token was used, is too old or never existed; the page does not reveal which.
    Expired,
}

#[derive(Template, Clone, Debug)]
#[template(path = "login.html")]
pub struct LoginPage {
    frame: Frame,
    link: SignInLink,
}

impl LoginPage {
    pub fn new(link: SignInLink) -> Self {
        Self {
            frame: Frame::signed_out("Sign in"),
            link,
        }
    }
}
