//! `/callbacks/{id}`: one raw request, byte for byte, and what it changed.

use std::str;

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::callback_outcome::Outcome;
use crate::domain::ids::{CallbackId, MessageId};
use crate::domain::scope::{Caller, Visibility};
use crate::reporting::callback_views::FoundCallback;
use crate::reporting::number_format::counted;
use crate::reporting::problem_kind::ProblemKind;
use crate::services::Services;
use crate::store::quarantine::UnparsedParts;
use crate::web::api::callback_endpoints;
use crate::web::dashboard::callback_row::CallbackRow;
use crate::web::dashboard::callback_urls::ReplayUrl;
use crate::web::dashboard::message_summary::short_id;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, respond};
use crate::web::dashboard::visible_text::{
    hex_dump, indent_json, sentence, visible_block, visible_line,
};
use crate::web::error::ApiError;

/// Unparseable parts listed on a callback's page.
const UNPARSEABLE_SHOWN: u64 = 20;

pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id: CallbackId = id.parse().map_err(|_| ApiError::NotFound)?;
    let found = callback_endpoints::find(&services, id).await?;
    let unparseable = services
        .store
        .find_unparsed_parts(id, UNPARSEABLE_SHOWN)
        .await?;
    let shown = CallbackPage::new(&found, caller.visibility())
        .with_unparseable(&unparseable, caller.visibility());
    respond(&services, shown).await
}

/// Longer text is cut; the download has all of it.
const TEXT_SHOWN: usize = 256 * 1024;

/// JSON that needs more bytes when indented is shown as text.
const INDENTED_SHOWN: usize = 4 * TEXT_SHOWN;

/// Longer bodies are cut. A hex dump is five times as long as its bytes.
const HEX_SHOWN: usize = 32 * 1024;

#[derive(Template, Clone, Debug)]
#[template(path = "callback.html")]
pub struct CallbackPage {
    pub(super) frame: Frame,
    row: CallbackRow,
    id: String,
    detail: Option<String>,
    remote_address: Option<String>,
    next_step: Option<&'static str>,
    /// Label of the replay button, and the URL of its preview.
    replay: Option<(&'static str, String)>,
    /// Short id and URL.
    messages: Vec<(String, String)>,
    unparseable: Option<UnparseableList>,
    raw: Option<RawSection>,
}

#[derive(Clone, Debug)]
struct UnparseableList {
    title: String,
    /// Number and reason of the first parts.
    parts: Vec<(i32, String)>,
    more: Option<String>,
}

#[derive(Clone, Debug)]
struct RawSection {
    headers: Vec<(String, String)>,
    parameters: Vec<(String, String)>,
    query: String,
    body: RawBody,
    download: String,
}

#[derive(Clone, Debug)]
enum RawBody {
    Empty,
    Json { indented: String, exact: String },
    Text(RawExcerpt),
    Bytes(RawExcerpt),
}

#[derive(Clone, Debug)]
struct RawExcerpt {
    text: String,
    cut: bool,
}

impl CallbackPage {
    pub fn new(found: &FoundCallback, viewer: Visibility) -> Self {
        let listed = &found.listed;
        let link = |id: &MessageId| (short_id(*id), format!("/messages/{id}"));
        Self {
            frame: Frame::in_section(NavigationSection::Callbacks, "Callback", Refresh::Never),
            row: CallbackRow::new(listed, viewer),
            id: listed.summary.id.to_string(),
            detail: listed
                .detail
                .as_deref()
                .map(|text| sentence(&viewer.quoted(text))),
            remote_address: found.record.remote.as_deref().map(visible_line),
            next_step: next_step(listed.outcome),
            replay: listed
                .outcome
                .filter(|_| viewer == Visibility::Full)
                .map(|outcome| {
                    let url = ReplayUrl::one(listed.summary.id);
                    (replay_label(outcome), url.href())
                }),
            messages: listed.messages.iter().map(link).collect(),
            unparseable: None,
            raw: match viewer {
                Visibility::Full => Some(RawSection::new(found)),
                Visibility::Masked => None,
            },
        }
    }

    pub(super) fn with_unparseable(mut self, found: &UnparsedParts, viewer: Visibility) -> Self {
        let shown = u64::try_from(found.first.len()).unwrap_or(u64::MAX);
        let rest = found.count.saturating_sub(shown);
        self.unparseable = (found.count > 0).then(|| UnparseableList {
            title: counted(found.count, "unparseable part", "unparseable parts"),
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
        Outcome::Receipts | Outcome::Inbound | Outcome::Notice | Outcome::Probe => None,
    }
}

fn replay_label(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unverified => "Release…",
        _ => "Replay…",
    }
}

impl RawSection {
    fn new(found: &FoundCallback) -> Self {
        Self {
            headers: found
                .record
                .headers
                .iter()
                .map(|(name, value)| (visible_line(name), visible_line(value)))
                .collect(),
            parameters: form_urlencoded::parse(found.record.query.as_bytes())
                .map(|(name, value)| (visible_line(&name), visible_line(&value)))
                .collect(),
            query: visible_line(&found.record.query),
            body: RawBody::new(&found.record.body),
            download: format!("/api/v1/callbacks/{}/raw", found.record.id),
        }
    }
}

impl RawBody {
    fn new(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::Empty;
        }
        let Ok(text) = str::from_utf8(bytes) else {
            let shown = bytes.get(..HEX_SHOWN).unwrap_or(bytes);
            return Self::Bytes(RawExcerpt {
                text: hex_dump(shown),
                cut: bytes.len() > HEX_SHOWN,
            });
        };
        if text.len() <= TEXT_SHOWN
            && let Some(indented) = indent_json(text, INDENTED_SHOWN)
        {
            return Self::Json {
                indented: visible_block(&indented),
                exact: visible_block(text),
            };
        }
        let end = text.floor_char_boundary(TEXT_SHOWN);
        Self::Text(RawExcerpt {
            text: visible_block(text.get(..end).unwrap_or(text)),
            cut: end < text.len(),
        })
    }
}

impl FramedPage for CallbackPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
