//! The schema of a message filter in a JSON body.

use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayBuilder, ObjectBuilder, SchemaType, Type,
};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::reporting::filter_fields::{FILTER_FIELDS, FilterField};
use crate::reporting::value_shape::ValueShape;
use crate::web::api::value_schema::schema_of;

/// The filters of the list of messages, by name; at least one.
pub(crate) struct MessageFilterBody;

impl PartialSchema for MessageFilterBody {
    fn schema() -> RefOr<Schema> {
        let filter = ObjectBuilder::new()
            .description(Some(
                "The filters of the list of messages, by name; at least one.",
            ))
            .min_properties(Some(1))
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        FILTER_FIELDS
            .iter()
            .fold(filter, |filter, field| {
                filter.property(field.name, values_of(field))
            })
            .into()
    }
}

impl ToSchema for MessageFilterBody {}

/// One value, or a list where the field is repeatable.
fn values_of(field: &FilterField) -> RefOr<Schema> {
    let value = value_of(field.shape);
    if !field.repeatable {
        return value;
    }
    let list = ArrayBuilder::new().items(value.clone()).min_items(Some(1));
    AnyOfBuilder::new().item(value).item(list).into()
}

/// JSON has numbers and flags besides texts.
fn value_of(shape: ValueShape) -> RefOr<Schema> {
    let alternative = match shape {
        ValueShape::Flag => {
            let kinds = SchemaType::from_iter([Type::Boolean, Type::Integer]);
            let range = ObjectBuilder::new().schema_type(kinds);
            range.minimum(Some(0_usize)).maximum(Some(1_usize))
        }
        ValueShape::Text
        | ValueShape::SearchText { .. }
        | ValueShape::ProviderMessageId
        | ValueShape::Slug => {
            ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Number, Type::Boolean]))
        }
        ValueShape::Phone | ValueShape::Customer => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1_000_000_usize))
            .maximum(Some(999_999_999_999_999_usize)),
        _ => return schema_of(shape),
    };
    AnyOfBuilder::new()
        .item(schema_of(shape))
        .item(alternative)
        .into()
}
