//! The page for a request that failed: what went wrong, and a link back.

use askama::Template;

use crate::web::dashboard::page_frame::Frame;
use crate::web::dashboard::page_response::FramedPage;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorPageKind {
    /// 404
    NotFound,
    /// 410
    NoLongerKept,
    /// 403
    Forbidden,
    /// 405, 409, 422 and the other errors of a request.
    Refused,
    /// 503 while the main database is migrated.
    Upgrading,
    /// 500, 503
    Internal,
}

impl ErrorPageKind {
    fn title(self) -> &'static str {
        match self {
            Self::NotFound => "Page not found",
            Self::NoLongerKept => "No longer kept",
            Self::Forbidden => "Not allowed",
            Self::Refused => "Not possible now",
            Self::Upgrading => "Bluetick is being upgraded",
            Self::Internal => "Internal error",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::NotFound => "The URL is wrong, or what it showed is no longer kept.",
            Self::NoLongerKept => {
                "The callback's retention has ended. Its receipts are still in the timelines of their messages."
            }
            Self::Forbidden => {
                "Your role does not allow you to open this page. Ask an administrator."
            }
            Self::Refused => "The action is not possible in the current state.",
            Self::Upgrading => "Callbacks are still received.",
            Self::Internal => {
                "Callbacks are still accepted. Try again. If the error persists, search the log for the request id below."
            }
        }
    }
}

#[derive(Template, Clone, Debug)]
#[template(path = "error.html")]
pub struct ErrorPage {
    frame: Frame,
    status: u16,
    kind: ErrorPageKind,
    reason: Option<String>,
    request_id: Option<String>,
    /// The interval at which the page reloads itself.
    reload_seconds: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Viewer {
    SignedIn,
    SignedOut,
}

impl ErrorPage {
    /// `reason` is more specific, where the caller may know it; `request_id` finds the log line.
    pub fn new(
        status: u16,
        kind: ErrorPageKind,
        reason: Option<String>,
        request_id: Option<String>,
        viewer: Viewer,
    ) -> Self {
        let frame = match viewer {
            Viewer::SignedIn => Frame::without_section(kind.title()),
            Viewer::SignedOut => Frame::signed_out(kind.title()),
        };
        Self {
            frame,
            status,
            kind,
            reason,
            request_id,
            reload_seconds: None,
        }
    }

    /// For a request that can be repeated safely.
    pub fn reload_after(&mut self, seconds: u16) {
        self.reload_seconds = Some(seconds);
    }
}

impl FramedPage for ErrorPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
