//! The query strings of message lists and exports.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::scope::Visibility;
use crate::reporting::export::{ByteOrderMark, ExportFormat, ExportRequest};
use crate::reporting::filter_fields::{FILTER_FIELDS, print_fields};
use crate::reporting::message_query::MessageQuery;
use crate::reporting::query_values::{parse_flag, parse_word, parse_zone};
use crate::reporting::value_shape::ValueShape;
use crate::store::messages::{Cursor, MessageFilter, MessageOrder};
use crate::web::api::cursor::Fingerprint;
use crate::web::api::cursor::{read_position, write_position};
use crate::web::api::parameters::Parameters;
use crate::web::api::query_parameter::{PageParameters, QueryParameter, query_parameters};
use crate::web::problem_json::FieldError;

query_parameters!(FilterParameters, filter_parameters());

query_parameters!(
    ZoneParameter,
    [QueryParameter::new(
        "tz",
        "Zone of the times, such as Asia/Kolkata; default UTC.",
        ValueShape::TimeZone
    )]
);

query_parameters!(
    MarkParameter,
    [QueryParameter::new(
        "bom",
        "1: start with a byte order mark, which Excel needs to detect UTF-8.",
        ValueShape::Flag
    )]
);

const fn filter_parameters() -> [QueryParameter; FILTER_FIELDS.len()] {
    let mut parameters = [QueryParameter::new("", "", ValueShape::Text); FILTER_FIELDS.len()];
    let mut index = 0;
    while index < parameters.len() {
        let field = FILTER_FIELDS[index];
        parameters[index] = QueryParameter::new(field.name, field.description, field.shape);
        index += 1;
    }
    parameters
}

query_parameters!(
    OrderParameter,
    [QueryParameter::new(
        "sort",
        "created (default) or changed: the time by which newer messages come first. changed excludes `created_before`.",
        ValueShape::Word(|| MessageOrder::ALL.map(MessageOrder::as_str).to_vec())
    )]
);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListQuery {
    pub filter: MessageFilter,
    pub order: MessageOrder,
    /// Rows per page.
    pub limit: usize,
    /// Where the page starts.
    pub after: Option<Cursor>,
    fingerprint: Fingerprint,
}

impl ListQuery {
    /// Opaque to the caller; valid only with the same filters.
    pub fn write_cursor(&self, cursor: Cursor) -> String {
        self.fingerprint.write_cursor(&write_position(cursor))
    }
}

/// Parses filters, `sort`, `limit` and `cursor`.
pub fn parse_list(
    pairs: &[(String, String)],
    visibility: Visibility,
    now: DateTime<Utc>,
) -> Result<ListQuery, Vec<FieldError>> {
    let mut parameters = Parameters::read(
        pairs,
        &[
            FilterParameters::LIST,
            OrderParameter::LIST,
            PageParameters::LIST,
        ],
    );
    let filter = take_filter(&mut parameters).resolve(visibility, now);
    let order = parameters.parse_with("sort", |text| {
        let order = parse_word(text, MessageOrder::ALL, MessageOrder::as_str)?;
        match order {
            MessageOrder::Changed if filter.created_before.is_some() => {
                Err("cannot be changed with created_before".to_owned())
            }
            order => Ok(order),
        }
    });
    let query = ListQuery {
        filter,
        order: order.unwrap_or_default(),
        limit: parameters.limit(),
        after: parameters.cursor(read_position),
        fingerprint: parameters.fingerprint(),
    };
    parameters.finish(query)
}

/// Parses filters alone.
pub(crate) fn parse_filter(
    pairs: &[(String, String)],
    visibility: Visibility,
    now: DateTime<Utc>,
) -> Result<MessageFilter, Vec<FieldError>> {
    let mut parameters = Parameters::read(pairs, &[FilterParameters::LIST]);
    let filter = take_filter(&mut parameters).resolve(visibility, now);
    parameters.finish(filter)
}

/// Parses filters, `tz` and, for CSV, `bom`.
pub fn parse_export(
    pairs: &[(String, String)],
    format: ExportFormat,
    visibility: Visibility,
    now: DateTime<Utc>,
) -> Result<ExportRequest, Vec<FieldError>> {
    let mut parameters = Parameters::read(
        pairs,
        &[
            FilterParameters::LIST,
            ZoneParameter::LIST,
            MarkParameter::LIST,
        ],
    );
    let query = take_filter(&mut parameters);
    let zone = parameters.parse_with("tz", parse_zone);
    let mark = parameters.parse_with("bom", |text| match format {
        ExportFormat::Csv => parse_mark(text),
        ExportFormat::Ndjson | ExportFormat::Xlsx => Err("is for CSV only".to_owned()),
    });
    parameters.finish(ExportRequest {
        filter: query.resolve(visibility, now),
        filter_values: print_fields(&query),
        format,
        zone: zone.unwrap_or(Tz::UTC),
        mark: mark.unwrap_or(ByteOrderMark::Absent),
        visibility,
        now,
    })
}

fn take_filter(parameters: &mut Parameters) -> MessageQuery {
    let mut query = MessageQuery::default();
    for field in FILTER_FIELDS {
        parameters.parse_field(field, &mut query);
    }
    query
}

pub(crate) fn parse_mark(text: &str) -> Result<ByteOrderMark, String> {
    Ok(if parse_flag(text)? {
        ByteOrderMark::Present
    } else {
        ByteOrderMark::Absent
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::MessageId;
    use crate::web::api::parameters::pairs;

    fn now() -> DateTime<Utc> {
        "2026-11-20T10:00:00Z".parse().unwrap()
    }

    fn list(query: &str) -> Result<ListQuery, Vec<FieldError>> {
        parse_list(&pairs(query), Visibility::Full, now())
    }

    #[test]
    fn every_filter_is_parsed() {
        let query = "resent=true&account=k&provider=sobot&from=%2B919000000001&state=sent,failed&state=read&kind=image\
            &to=+91%2099701-23456&ref=a&provider_id=wamid.A+B&code=131053&class=media&conflict=false&overdue=true\
            &origin=dry-run&created_after=2026-11-20T00:00:00+05:30&created_before=2026-11-21T00:00:00Z&q=x&limit=7";
        let read = list(query).unwrap();
        let filter = &read.filter;
        assert_eq!(filter.sender.as_deref(), Some("+919000000001"));
        assert_eq!(filter.recipient.as_deref(), Some("919970123456"));
        assert_eq!(filter.provider_id.as_deref(), Some("wamid.A+B"));
        assert_eq!(filter.states.len(), 3);
        assert_eq!(filter.overdue_at, Some(now()));
        assert_eq!(filter.resent, Some(true));
        assert_eq!(
            filter.created_after.unwrap().to_rfc3339(),
            "2026-11-19T18:30:00+00:00"
        );
        assert_eq!(read.limit, 7);
    }

    #[test]
    fn every_error_is_reported_at_once() {
        let errors = list(
            "colour=red&state=lost&kind=&to=abc&limit=501&created_after=today&account=a&account=b&tz=UTC&origin=dry",
        )
        .unwrap_err();
        let names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            names,
            [
                "colour",
                "state",
                "kind",
                "to",
                "limit",
                "created_after",
                "account",
                "tz",
                "origin"
            ]
        );
    }

    #[test]
    fn a_cursor_accepts_the_same_filters_in_any_spelling() {
        let first = list("state=sent,failed&account=k&overdue=true").unwrap();
        let position = Cursor {
            at: now(),
            id: MessageId::new(now()),
        };
        let word = first.write_cursor(position);
        let again = list(&format!(
            "account=k&state=failed&overdue=1&state=sent&limit=2&cursor={word}"
        ));
        assert_eq!(again.unwrap().after, Some(position));
        for query in ["account=k2&state=sent,failed&overdue=true", "account=k", ""] {
            let errors = list(&format!("{query}&cursor={word}")).unwrap_err();
            assert_eq!(errors[0].field, "cursor", "{query}");
        }
        assert_eq!(list("cursor=%00x").unwrap_err()[0].field, "cursor");
    }

    #[test]
    fn a_byte_order_mark_is_for_csv_only() {
        let query = pairs("bom=1&tz=Asia/Kolkata");
        let csv = parse_export(&query, ExportFormat::Csv, Visibility::Full, now()).unwrap();
        assert_eq!(
            (csv.mark, csv.zone),
            (ByteOrderMark::Present, chrono_tz::Asia::Kolkata)
        );
        let refused =
            parse_export(&query, ExportFormat::Ndjson, Visibility::Full, now()).unwrap_err();
        assert_eq!(refused[0].field, "bom");
    }
}
