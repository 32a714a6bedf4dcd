//! The filters of a message list that have no field in its form: links set them, and the page names
//! them, each with a link that removes it.

use chrono::{DateTime, Utc};

use crate::reporting::filter_fields::print_fields;
use crate::web::dashboard::filter_form::VISIBLE_FIELDS;
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::page_url::with_query;
use crate::web::dashboard::time_element::TimeElement;

#[derive(Clone, Debug)]
pub(super) struct FurtherFilter {
    pub(super) label: &'static str,
    pub(super) value: FilterValue,
    /// The list without this filter.
    pub(super) without: String,
}

#[derive(Clone, Debug)]
pub(super) enum FilterValue {
    Text(String),
    Instant(TimeElement),
}

pub(super) fn list(url: &MessageListUrl) -> Vec<FurtherFilter> {
    let mut all = url.filter_pairs();
    all.extend(url.view_pairs());
    let without = |name: &str| {
        let kept = all.iter().filter(|(other, _)| *other != name).cloned();
        with_query("/messages", &kept.collect::<Vec<_>>())
    };
    print_fields(&url.query)
        .into_iter()
        .filter(|(name, _)| !VISIBLE_FIELDS.contains(name))
        .map(|(name, value)| FurtherFilter {
            label: label(name),
            value: describe(name, value),
            without: without(name),
        })
        .collect()
}

fn label(name: &'static str) -> &'static str {
    match name {
        "from" => "Sender",
        "to" => "Recipient",
        "ref" => "Reference",
        "provider_id" => "Provider id",
        "code" => "Failure code",
        "class" => "Failure class",
        "origin" => "Origin",
        "conflict" => "Delivered, and also reported as failed",
        "overdue" => "Overdue",
        "resent" => "Resent",
        "created_after" => "Created at or after",
        "created_before" => "Created before",
        "campaign" => "Campaign",
        "counted_after" => "First attempt at or after",
        "counted_before" => "First attempt before",
        "id" => "Selected messages",
        name => name,
    }
}

fn describe(name: &str, value: String) -> FilterValue {
    if let Ok(at) = value.parse::<DateTime<Utc>>() {
        return FilterValue::Instant(TimeElement::new(at));
    }
    FilterValue::Text(match (name, value.as_str()) {
        ("id", ids) => ids.split(',').count().to_string(),
        (_, "true") => "yes".to_owned(),
        (_, "false") => "no".to_owned(),
        _ => value,
    })
}
