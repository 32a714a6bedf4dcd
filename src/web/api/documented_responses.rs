//! Responses that several operations document: moved messages, and problems by their code.

use std::collections::BTreeMap;

use utoipa::openapi::header::Header;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Content, Ref, RefOr, Schema};
use utoipa::{IntoResponses, ToSchema};

use crate::web::problem_code::ProblemCode;
use crate::web::problem_json::{PROBLEM_JSON, Problem};

type Responses = BTreeMap<String, RefOr<Response>>;

/// The message was merged into another.
pub(crate) struct MessageMoved;
pub(crate) struct IdempotencyKeyReused;
pub(crate) struct NotPossible;
pub(crate) struct NoLongerKept;
/// Problems of an uploaded body that is not JSON.
pub(crate) struct UploadProblems;

impl IntoResponses for MessageMoved {
    fn responses() -> Responses {
        let location = Header::new(ObjectBuilder::new().schema_type(Type::String));
        let response = ResponseBuilder::new()
            .description("The message was merged into another, whose URL is in `Location`.")
            .header("Location", location)
            .build();
        Responses::from([("308".to_owned(), response.into())])
    }
}

impl IntoResponses for IdempotencyKeyReused {
    fn responses() -> Responses {
        problem_responses(&[ProblemCode::IdempotencyKeyReused])
    }
}

impl IntoResponses for NotPossible {
    fn responses() -> Responses {
        problem_responses(&[ProblemCode::NotPossible])
    }
}

impl IntoResponses for UploadProblems {
    fn responses() -> Responses {
        problem_responses(&[
            ProblemCode::MalformedRequest,
            ProblemCode::TooLarge,
            ProblemCode::UnsupportedMediaType,
        ])
    }
}

impl IntoResponses for NoLongerKept {
    fn responses() -> Responses {
        problem_responses(&[ProblemCode::NoLongerKept])
    }
}

/// One response per status, which names the codes of that status.
pub(crate) fn problem_responses(codes: &[ProblemCode]) -> Responses {
    let mut by_status: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for code in codes {
        by_status
            .entry(code.status().as_u16().to_string())
            .or_default()
            .push(format!("`{}`", code.as_str()));
    }
    by_status
        .into_iter()
        .map(|(status, codes)| {
            let problem = RefOr::<Schema>::Ref(Ref::from_schema_name(Problem::name()));
            let response = ResponseBuilder::new()
                .description(format!("`code` is {}.", codes.join(" or ")))
                .content(PROBLEM_JSON, Content::new(Some(problem)))
                .build();
            (status, response.into())
        })
        .collect()
}
