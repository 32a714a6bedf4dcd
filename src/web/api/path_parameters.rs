//! Path parameters that several operations document.

use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

use crate::reporting::problem_kind::ProblemKind;
use crate::reporting::value_shape::ValueShape;
use crate::web::api::value_schema::schema_of;

pub(crate) struct MessagePath;
pub(crate) struct CallbackPath;
pub(crate) struct CampaignPath;
pub(crate) struct AccountPath;
pub(crate) struct OrphanPath;
pub(crate) struct ProblemPath;
pub(crate) struct WindowPath;

impl IntoParams for MessagePath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path("id", "The id of the message.", ValueShape::Uuid)]
    }
}

impl IntoParams for CallbackPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path("id", "The id of the callback.", ValueShape::Uuid)]
    }
}

impl IntoParams for CampaignPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path("id", "The id of the campaign.", ValueShape::Slug)]
    }
}

impl IntoParams for AccountPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path("id", "The id of the account.", ValueShape::Slug)]
    }
}

impl IntoParams for OrphanPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "The id of the orphan; also after adoption.";
        vec![path("id", description, ValueShape::Uuid)]
    }
}

impl IntoParams for ProblemPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let kinds = ValueShape::Word(|| ProblemKind::ALL.map(ProblemKind::as_str).to_vec());
        vec![path("kind", "A kind, as `/problems` names it.", kinds)]
    }
}

impl IntoParams for WindowPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let phone = "The customer's whole number with its country code, or a WhatsApp user id.";
        vec![
            path("account", "The id of the account.", ValueShape::Slug),
            path("phone", phone, ValueShape::Customer),
        ]
    }
}

fn path(name: &str, description: &str, shape: ValueShape) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(schema_of(shape)))
        .build()
}
