//! The schema of a value's shape, for the OpenAPI document.

use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{KnownFormat, Ref, RefOr, Schema, SchemaFormat};

use crate::domain::ids::ProviderMessageId;
use crate::reporting::value_shape::{ValueShape, WordList};

pub(crate) const SLUG: &str = "^[a-z0-9][a-z0-9-]{0,63}$";
pub(crate) const CUSTOMER: &str =
    "^(\\+?[1-9][0-9]{6,14}|[A-Za-z]{2}\\.(ENT\\.)?[A-Za-z0-9]{5,128})$";
/// One character that is not a space, and nothing that a database cannot store.
pub(crate) const NOT_BLANK: &str = "^[^\\x00]*[^\\s\\x00][^\\x00]*$";
const PHONE: &str = "^\\+?[1-9][0-9]{6,14}$";
const PRINTABLE: &str =
    "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$";
const CURSOR: &str = "^[A-Za-z0-9_-]+$";
const UUID: &str = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const BOUNDED_YEAR: &str = "^([2-8][0-9]{3}|9000)-";
/// The component with the names of all zones.
pub(crate) const TIME_ZONE: &str = "TimeZone";

pub(crate) fn schema_of(shape: ValueShape) -> RefOr<Schema> {
    match shape {
        ValueShape::Text => matching(NOT_BLANK),
        ValueShape::SearchText { least, most } => text()
            .min_length(Some(least))
            .max_length(Some(most))
            .pattern(Some(NOT_BLANK))
            .into(),
        ValueShape::Slug => matching(SLUG),
        ValueShape::Word(words) => text().enum_values(Some(words())).into(),
        ValueShape::Words(words) => matching(&format!("^{}$", separated(words))),
        ValueShape::WordsOr(words, alone) => matching(&format!("^({}|{alone})$", separated(words))),
        ValueShape::Flag => text().enum_values(Some(["true", "false", "1", "0"])).into(),
        ValueShape::Instant => formatted(KnownFormat::DateTime).into(),
        ValueShape::DayOrInstant => AnyOfBuilder::new()
            .item(formatted(KnownFormat::Date))
            .item(formatted(KnownFormat::DateTime))
            .into(),
        ValueShape::BoundedDayOrInstant => AnyOfBuilder::new()
            .item(formatted(KnownFormat::Date).pattern(Some(BOUNDED_YEAR)))
            .item(formatted(KnownFormat::DateTime).pattern(Some(BOUNDED_YEAR)))
            .into(),
        ValueShape::TimeZone => Ref::from_schema_name(TIME_ZONE).into(),
        ValueShape::Uuid => formatted(KnownFormat::Uuid).into(),
        ValueShape::Uuids => matching(&format!("^{UUID}(,{UUID}){{0,499}}$")),
        ValueShape::Phone => matching(PHONE),
        ValueShape::Customer => matching(CUSTOMER),
        ValueShape::ProviderMessageId => text()
            .max_length(Some(ProviderMessageId::LIMIT))
            .pattern(Some(PRINTABLE))
            .into(),
        ValueShape::Number { least, most } => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(least))
            .maximum(Some(most))
            .into(),
        ValueShape::Cursor => matching(CURSOR),
    }
}

/// The names of all zones.
pub(crate) fn time_zone() -> RefOr<Schema> {
    let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    text()
        .description(Some("A name of the IANA time zone database."))
        .enum_values(Some(names.collect::<Vec<_>>()))
        .into()
}

fn separated(words: WordList) -> String {
    let word = format!("({})", words().join("|"));
    format!("{word}(,{word})*")
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn matching(pattern: &str) -> RefOr<Schema> {
    text().pattern(Some(pattern)).into()
}

fn formatted(format: KnownFormat) -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(format)))
}
