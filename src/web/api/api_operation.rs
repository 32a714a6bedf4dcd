//! One operation of the API, as the `#[utoipa::path]` of its handler describes it.

use std::collections::BTreeMap;

use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr, Schema};

use crate::web::caller_check::SEARCHES;

pub struct ApiOperation {
    pub method: HttpMethod,
    pub path: String,
    pub operation: Operation,
    /// Every schema that the bodies refer to.
    pub schemas: BTreeMap<String, RefOr<Schema>>,
}

impl ApiOperation {
    /// The only operation of a description.
    pub(crate) fn new(description: OpenApi) -> Option<Self> {
        let (path, item) = description.paths.paths.into_iter().next()?;
        let (method, operation) = [(HttpMethod::Get, item.get), (HttpMethod::Post, item.post)]
            .into_iter()
            .find_map(|(method, operation)| Some((method, operation?)))?;
        let components = description.components.unwrap_or_default();
        Some(Self {
            method,
            path,
            operation,
            schemas: components.schemas.into_iter().collect(),
        })
    }

    pub(crate) fn has_parameter(&self, location: &ParameterIn) -> bool {
        self.parameters()
            .any(|parameter| parameter.parameter_in == *location)
    }

    pub(crate) fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let parameters = self.operation.parameters.iter().flatten();
        parameters.filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter),
            RefOr::Ref(_) => None,
        })
    }

    /// Whether it searches for customers by a number or a part of it.
    pub(crate) fn searches(&self) -> bool {
        self.parameters()
            .any(|parameter| SEARCHES.contains(&parameter.name.as_str()))
    }

    pub(crate) fn reads(&self, media_type: &str) -> bool {
        matches!(&self.operation.request_body, Some(RefOr::T(body)) if body.content.contains_key(media_type))
    }
}
