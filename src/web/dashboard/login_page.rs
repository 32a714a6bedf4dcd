//! `/login`: signs in with a one-time link, once its button is pressed, or with an e-mail address and a
//! password.
//!
//! **Invariant:** opening the link consumes nothing, because chat programs open links for previews.
//! Only the POST of the button signs in.

use askama::Template;

use crate::domain::keyed_limit::LimitWait;
use crate::web::dashboard::page_frame::Frame;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignInForm {
    /// Token from the query, not checked yet.
    Link(String),
    /// The visitor opened the page without a link, or the session ended.
    Empty,
    /// The token was used, is too old or never existed; the page does not reveal which.
    ExpiredLink,
    /// The address or the password; the page does not reveal which.
    Wrong,
    TooMany(LimitWait),
}

#[derive(Template, Clone, Debug)]
#[template(path = "login.html")]
pub struct LoginPage {
    frame: Frame,
    form: SignInForm,
    email: String,
}

impl LoginPage {
    pub fn new(form: SignInForm) -> Self {
        Self {
            frame: Frame::signed_out("Sign in"),
            form,
            email: String::new(),
        }
    }

    /// Fills in the address for another attempt.
    pub fn keep_email(&mut self, email: String) {
        self.email = email;
    }

    /// The link of the query.
    fn token(&self) -> Option<&str> {
        match &self.form {
            SignInForm::Link(token) => Some(token),
            _ => None,
        }
    }

    /// Why the last attempt failed.
    fn error(&self) -> Option<String> {
        match &self.form {
            SignInForm::Link(_) | SignInForm::Empty => None,
            SignInForm::ExpiredLink => {
                Some("This link no longer works: it was used before, or it is too old.".to_owned())
            }
            SignInForm::Wrong => Some("The e-mail address or the password is wrong.".to_owned()),
            SignInForm::TooMany(wait) => {
                let minutes = (wait.seconds() + 59) / 60;
                Some(format!(
                    "There were too many attempts. Try again in {minutes} min, or use a sign-in link."
                ))
            }
        }
    }
}
