//! `/callbacks/{id}`: one raw request, byte for byte, and what it led to.

use std::str;

use askama::Template;

use crate::domain::access::Visibility;
use crate::domain::ids::MessageId;
use crate::reporting::callback_views::FoundCallback;
use crate::reporting::problems::ProblemKind;
use crate::store::callbacks::Outcome;
use crate::store::problems::Unreadable;
use crate::web::dashboard::callbacks::{CallbackRow, short};
use crate::web::dashboard::figure::counted;
use crate::web::dashboard::frame::{Frame, Refresh, Section};
use crate::web::dashboard::replay::ReplayAddress;
use crate::web::dashboard::text::{hex_dump, indent_json, sentence, visible_block, visible_line};

/// Text beyond this many bytes is left to the download.
const TEXT_SHOWN: usize = 256 * 1024;
/// Bytes beyond this many are left to the download; a dump is five times as long as its bytes.
const HEX_SHOWN: usize = 32 * 1024;

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "callback.html")]
pub struct CallbackPage {
    pub(super) frame: Frame,
    row: CallbackRow,
    id: String,
    detail: Option<String>,
    remote_address: Option<String>,
    /// What a person does next, where the callback needs one.
    next_step: Option<&'static str>,
    /// Words of the button that reads it again, and where its preview is.
    replay: Option<(&'static str, String)>,
    messages: Vec<(String, String)>,
    unreadable: Option<UnreadableList>,
    raw: Option<Raw>,
}

/// The parts that could not be understood.
#[derive(Clone, Debug)]
struct UnreadableList {
    title: String,
    /// Place and reason of the first ones.
    parts: Vec<(i32, String)>,
    /// How many more there are.
    more: Option<String>,
}

/// The request itself; absent for who may not see it.
#[derive(Clone, Debug)]
struct Raw {
    headers: Vec<(String, String)>,
    /// Decoded name and value of each parameter.
    parameters: Vec<(String, String)>,
    query: String,
    body: Body,
    download: String,
}

#[derive(Clone, Debug)]
enum Body {
    Empty,
    Json { indented: String, exact: String },
    Text(Shown),
    Bytes(Shown),
}

#[derive(Clone, Debug)]
struct Shown {
    text: String,
    cut: bool,
}

impl CallbackPage {
    /// The page of a callback as `viewer` may see it.
    pub fn new(file: &FoundCallback, viewer: Visibility) -> Self {
        let listed = &file.listed;
        let named = |id: &MessageId| (short(*id), format!("/messages/{id}"));
        Self {
            frame: Frame::inside(Section::Callbacks, "Callback", Refresh::Still),
            row: CallbackRow::new(listed),
            id: listed.summary.id.to_string(),
            detail: listed
                .detail
                .as_deref()
                .map(|text| sentence(&viewer.quoted(text))),
            remote_address: file.record.remote.as_deref().map(visible_line),
            next_step: next_step(listed.outcome),
            replay: listed
                .outcome
                .filter(|_| viewer == Visibility::Full)
                .map(|outcome| {
                    let address = ReplayAddress::one(listed.summary.id);
                    (replay_words(outcome), address.page())
                }),
            messages: listed.messages.iter().map(named).collect(),
            unreadable: None,
            raw: match viewer {
                Visibility::Full => Some(Raw::new(file)),
                Visibility::Masked => None,
            },
        }
    }

    /// The same page with the parts that could not be understood.
    pub(super) fn with_unreadable(mut self, found: &Unreadable, viewer: Visibility) -> Self {
        let shown = u64::try_from(found.first.len()).unwrap_or(u64::MAX);
        let rest = found.count.saturating_sub(shown);
        self.unreadable = (found.count > 0).then(|| UnreadableList {
            title: counted(found.count, "unreadable part", "unreadable parts"),
            parts: found
                .first
                .iter()
                .map(|(part, reason)| (part + 1, sentence(&viewer.quoted(reason))))
                .collect(),
            more: (rest > 0).then(|| format!("and {}", counted(rest, "more", "more"))),
        });
        self
    }
}

fn next_step(outcome: Option<Outcome>) -> Option<&'static str> {
    match outcome? {
        Outcome::Quarantined => Some(ProblemKind::Quarantine.next_step()),
        Outcome::Unverified => Some(ProblemKind::Unverified.next_step()),
        Outcome::Receipts | Outcome::Inbound | Outcome::Notice => None,
    }
}

fn replay_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unverified => "Release…",
        _ => "Read again…",
    }
}

impl Raw {
    fn new(file: &FoundCallback) -> Self {
        Self {
            headers: file
                .record
                .headers
                .iter()
                .map(|(name, value)| (visible_line(name), visible_line(value)))
                .collect(),
            parameters: form_urlencoded::parse(file.record.query.as_bytes())
                .map(|(name, value)| (visible_line(&name), visible_line(&value)))
                .collect(),
            query: visible_line(&file.record.query),
            body: Body::new(&file.record.body),
            download: format!("/api/v1/callbacks/{}/raw", file.record.id),
        }
    }
}

impl Body {
    fn new(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::Empty;
        }
        let Ok(text) = str::from_utf8(bytes) else {
            let shown = bytes.get(..HEX_SHOWN).unwrap_or(bytes);
            return Self::Bytes(Shown {
                text: hex_dump(shown),
                cut: bytes.len() > HEX_SHOWN,
            });
        };
        if text.len() <= TEXT_SHOWN
            && let Some(indented) = indent_json(text)
        {
            return Self::Json {
                indented: visible_block(&indented),
                exact: visible_block(text),
            };
        }
        let end = text.floor_char_boundary(TEXT_SHOWN);
        Self::Text(Shown {
            text: visible_block(text.get(..end).unwrap_or(text)),
            cut: end < text.len(),
        })
    }
}
