//! `/api/v1/problems/{kind}`: the items behind a count, with the reason and the next step.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::message::Message;
use crate::domain::scope::{Caller, Visibility};
use crate::reporting::orphan_views::ListedOrphan;
use crate::reporting::problem_items::{self, ProblemCursor, ProblemItems};
use crate::reporting::problem_kind::ProblemKind;
use crate::services::Services;
use crate::store::callback_outcomes::CallbackOutcome;
use crate::store::id_conflicts::{IdConflict, IdConflictCursor};
use crate::store::messages::Cursor;
use crate::store::quarantine::QuarantinedPart;
use crate::web::api::cursor::{read_position, write_position};
use crate::web::api::parameters::{Parameters, pairs};
use crate::web::api::path_parameters::ProblemPath;
use crate::web::api::query_parameter::PageParameters;
use crate::web::api::wire;
use crate::web::error::ApiError;

/// Bytes of an instant and an id, as [`write_position`] writes them.
const CURSOR_BYTES: usize = 24;

/// One kind of problem.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct ProblemListResponse {
    /// As `/problems` names it.
    pub(crate) kind: String,
    /// How many there are, listed or not.
    pub(crate) count: u64,
    pub(crate) why: &'static str,
    pub(crate) next_step: &'static str,
    /// The newest; always empty for `rejected`, which is only counted.
    pub(crate) data: Vec<ProblemItemResponse>,
    /// Where the next page starts; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

/// One item that needs attention; which ids it has depends on the kind.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct ProblemItemResponse {
    pub(crate) account: String,
    /// The message, the orphan, or the message that keeps an id claimed twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<Uuid>,
    /// The message that claims the id, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) claimant_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) callback_id: Option<Uuid>,
    /// Which part of the callback, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) part: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// When it started or was received.
    pub(crate) at: String,
}

/// List what needs attention by kind, newest first, with the reason and the next step
#[utoipa::path(
    get,
    path = "/api/v1/problems/{kind}",
    operation_id = "listProblems",
    params(ProblemPath, PageParameters),
    responses((status = 200, body = ProblemListResponse, description = "The kind and its items.")),
)]
pub(crate) async fn list(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    kind: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let kind = ProblemKind::ALL
        .into_iter()
        .find(|known| key(*known) == *kind);
    let mut parameters = Parameters::read(&pairs(request.query_string()), &[PageParameters::LIST]);
    let limit = parameters.limit();
    let after = parameters.cursor(|position| read_kind_position(kind?, position));
    let fingerprint = parameters.fingerprint();
    let (limit, after) = parameters.finish((limit, after))?;
    let kind = kind.ok_or(ApiError::NotFound)?;
    let (found, next) = problem_items::find(&services, kind, after.as_ref(), limit).await?;
    Ok(HttpResponse::Ok().json(ProblemListResponse {
        kind: key(kind),
        count: found.count,
        why: kind.reason(),
        next_step: kind.next_step(),
        data: data(found.items, caller.visibility()),
        next_cursor: next
            .map(|position| fingerprint.write_cursor(&write_kind_position(kind, &position))),
    }))
}

/// The position of a cursor, with the kind of the list.
fn write_kind_position(kind: ProblemKind, position: &ProblemCursor) -> Vec<u8> {
    let position = match position {
        ProblemCursor::Message(cursor) => write_position(*cursor),
        ProblemCursor::Account(account) => account.as_str().as_bytes().to_vec(),
        ProblemCursor::Claim(claim) => {
            let at = Cursor {
                at: claim.seen_at,
                id: claim.claimant,
            };
            [write_position(at).as_slice(), claim.provider_id.as_bytes()].concat()
        }
        ProblemCursor::Callback(callback) => callback.uuid().as_bytes().to_vec(),
        ProblemCursor::Journal(seq) => seq.to_be_bytes().to_vec(),
    };
    [kind.as_str().as_bytes(), b":", position.as_slice()].concat()
}

/// Reads what [`write_kind_position`] wrote for the same kind.
fn read_kind_position(kind: ProblemKind, bytes: &[u8]) -> Option<ProblemCursor> {
    let position = bytes
        .strip_prefix(kind.as_str().as_bytes())?
        .strip_prefix(b":")?;
    let text = |bytes: &[u8]| str::from_utf8(bytes).ok().map(str::to_owned);
    Some(match kind {
        ProblemKind::Uncertain
        | ProblemKind::Overdue
        | ProblemKind::Conflicts
        | ProblemKind::Orphans => ProblemCursor::Message(read_position(position)?),
        ProblemKind::PausedAccounts | ProblemKind::TrippedAccounts => {
            ProblemCursor::Account(text(position)?.parse().ok()?)
        }
        ProblemKind::IdConflicts => {
            let (at, provider_id) = position.split_at_checked(CURSOR_BYTES)?;
            let at = read_position(at)?;
            ProblemCursor::Claim(IdConflictCursor {
                seen_at: at.at,
                claimant: at.id,
                provider_id: text(provider_id)?,
            })
        }
        ProblemKind::Quarantine => {
            ProblemCursor::Callback(Uuid::from_bytes(position.try_into().ok()?).into())
        }
        ProblemKind::Unverified => {
            ProblemCursor::Journal(i64::from_be_bytes(position.try_into().ok()?))
        }
        ProblemKind::Rejected => return None,
    })
}

/// The key of the kind's count.
fn key(kind: ProblemKind) -> String {
    kind.as_str().replace('-', "_")
}

fn data(items: ProblemItems, visibility: Visibility) -> Vec<ProblemItemResponse> {
    match items {
        ProblemItems::Accounts(stopped) => stopped
            .into_iter()
            .map(|stopped| ProblemItemResponse {
                detail: Some(visibility.mask_text(&stopped.reason)),
                ..item(&stopped.account, stopped.since)
            })
            .collect(),
        ProblemItems::Messages(messages) => messages.iter().map(of_message).collect(),
        ProblemItems::Orphans(orphans) => {
            orphans.iter().map(|one| orphan(one, visibility)).collect()
        }
        ProblemItems::IdConflicts(conflicts) => conflicts
            .iter()
            .map(|one| id_conflict(one, visibility))
            .collect(),
        ProblemItems::Quarantine(parts) => parts.iter().map(|one| part(one, visibility)).collect(),
        ProblemItems::Callbacks(callbacks) => callbacks
            .iter()
            .map(|one| callback(one, visibility))
            .collect(),
        ProblemItems::Nothing => Vec::new(),
    }
}

fn item(account: &impl ToString, at: DateTime<Utc>) -> ProblemItemResponse {
    ProblemItemResponse {
        account: account.to_string(),
        message_id: None,
        claimant_id: None,
        provider_id: None,
        callback_id: None,
        part: None,
        detail: None,
        at: wire::time(at),
    }
}

fn of_message(message: &Message) -> ProblemItemResponse {
    ProblemItemResponse {
        message_id: Some(message.id.uuid()),
        ..item(&message.account, message.created_at)
    }
}

fn orphan(orphan: &ListedOrphan, visibility: Visibility) -> ProblemItemResponse {
    ProblemItemResponse {
        provider_id: orphan.ids.first().map(|id| visibility.mask_id(id)),
        ..of_message(&orphan.message)
    }
}

fn id_conflict(conflict: &IdConflict, visibility: Visibility) -> ProblemItemResponse {
    ProblemItemResponse {
        message_id: Some(conflict.message.uuid()),
        claimant_id: Some(conflict.claimant.uuid()),
        provider_id: Some(visibility.mask_id(&conflict.provider_id)),
        ..item(&conflict.account, conflict.seen_at)
    }
}

fn part(part: &QuarantinedPart, visibility: Visibility) -> ProblemItemResponse {
    ProblemItemResponse {
        callback_id: Some(part.callback.uuid()),
        part: Some(part.part),
        detail: Some(visibility.mask_text(&part.reason)),
        ..item(&part.account, part.quarantined_at)
    }
}

fn callback(callback: &CallbackOutcome, visibility: Visibility) -> ProblemItemResponse {
    ProblemItemResponse {
        callback_id: Some(callback.callback.uuid()),
        detail: callback
            .detail
            .as_deref()
            .map(|words| visibility.mask_text(words)),
        ..item(&callback.account, callback.received_at)
    }
}
