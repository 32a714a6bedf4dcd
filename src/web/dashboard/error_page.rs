//! Pages for what cannot be shown: what went wrong in words, and a way back.

use askama::Template;

use crate::web::dashboard::frame::Frame;

/// Why a page cannot be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// 404
    NotFound,
    /// 410
    NoLongerKept,
    /// 403
    Forbidden,
    /// 405, 409: an action that does not fit the present state.
    Refused,
    /// 500, 503
    Internal,
}

impl Trouble {
    fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::NoLongerKept => 410,
            Self::Forbidden => 403,
            Self::Refused => 409,
            Self::Internal => 500,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::NotFound => "There is nothing here",
            Self::NoLongerKept => "This is no longer kept",
            Self::Forbidden => "This is not for you to see",
            Self::Refused => "That is not possible now",
            Self::Internal => "Something went wrong on our side",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::NotFound => {
                "The address is wrong, or what it showed was removed when its retention ended."
            }
            Self::NoLongerKept => {
                "What it told about messages is still there: the facts are in each message's timeline."
            }
            Self::Forbidden => {
                "Your sign-in does not carry the right to open this page. Ask an administrator for it."
            }
            Self::Refused => "What you asked for does not fit the state in which things are.",
            Self::Internal => {
                "Callbacks are still taken and kept. Try again; if it stays, search the log for the request id below."
            }
        }
    }
}

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "error.html")]
pub struct ErrorPage {
    frame: Frame,
    trouble: Trouble,
    reason: Option<String>,
    request_id: Option<String>,
}

/// Whether the viewer can be shown the navigation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Viewer {
    /// Signed in.
    Known,
    /// Not signed in.
    Unknown,
}

impl ErrorPage {
    /// The page for a trouble. `reason` says more in words where the caller may know it; `request_id` finds the log line.
    pub fn new(
        trouble: Trouble,
        reason: Option<String>,
        request_id: Option<String>,
        viewer: Viewer,
    ) -> Self {
        let frame = match viewer {
            Viewer::Known => Frame::nowhere(trouble.title()),
            Viewer::Unknown => Frame::outside(trouble.title()),
        };
        Self {
            frame,
            trouble,
            reason,
            request_id,
        }
    }
}
