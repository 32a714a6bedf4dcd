//! Declarations of query parameters: their names for parsing, their descriptions for the OpenAPI
//! document.

use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

use crate::reporting::value_shape::ValueShape;
use crate::web::api::value_schema::schema_of;

#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryParameter {
    pub(crate) name: &'static str,
    description: &'static str,
    shape: ValueShape,
}

impl QueryParameter {
    pub(crate) const fn new(
        name: &'static str,
        description: &'static str,
        shape: ValueShape,
    ) -> Self {
        Self {
            name,
            description,
            shape,
        }
    }

    pub(crate) fn document(self) -> Parameter {
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(self.description))
            .schema(Some(schema_of(self.shape)))
            .build()
    }
}

/// Declares a type that stands for a list of parameters in `params(…)` of `#[utoipa::path]`; its
/// `LIST` is for `Parameters::read`.
macro_rules! query_parameters {
    ($name:ident, $list:expr) => {
        pub(crate) struct $name;

        impl $name {
            pub(crate) const LIST: &'static [$crate::web::api::query_parameter::QueryParameter] =
                &$list;
        }

        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                let list = Self::LIST.iter();
                list.map(|parameter| parameter.document()).collect()
            }
        }
    };
}
pub(crate) use query_parameters;

pub(crate) const ACCOUNT: QueryParameter =
    QueryParameter::new("account", "Account id.", ValueShape::Slug);

/// Rows per page.
pub(crate) const LARGEST_LIMIT: usize = 500;

query_parameters!(
    PageParameters,
    [
        QueryParameter::new(
            "limit",
            "Rows per page; default 50.",
            ValueShape::Number {
                least: 1,
                most: LARGEST_LIMIT
            }
        ),
        QueryParameter::new(
            "cursor",
            "`next_cursor` of the previous page, with the same filters.",
            ValueShape::Cursor
        ),
    ]
);
