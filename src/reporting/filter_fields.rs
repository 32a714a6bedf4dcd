//! The fields of the message filter: one list for the API, the command line, the dashboard's links
//! and the OpenAPI document.

use crate::domain::campaign::CampaignId;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::FailureClass;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;
use crate::reporting::message_query::MessageQuery;
use crate::reporting::query_values::{
    parse_account, parse_campaign, parse_customer, parse_flag, parse_instant, parse_message_id,
    parse_phone, parse_provider_message_id, parse_word, print_instant,
};
use crate::reporting::search_text::SearchText;
use crate::reporting::value_shape::ValueShape;

#[derive(Clone, Copy, Debug)]
pub struct FilterField {
    /// The query parameter.
    pub name: &'static str,
    /// The option of the command line, without `--`.
    pub option: &'static str,
    /// The placeholder of the value in the help of the command line.
    pub value_name: &'static str,
    pub description: &'static str,
    pub shape: ValueShape,
    /// Whether it accepts several values: repeated, or separated by commas.
    pub repeatable: bool,
    /// Adds one value. Errors are appended to the field's name.
    pub parse: ParseFunction,
    /// The canonical value, which `parse` accepts.
    pub print: PrintFunction,
}

type ParseFunction = fn(&mut MessageQuery, &str) -> Result<(), String>;
type PrintFunction = fn(&MessageQuery) -> Option<String>;

impl FilterField {
    /// The values in one text.
    pub fn split(self, text: &str) -> impl Iterator<Item = &str> {
        text.split(move |character| self.repeatable && character == ',')
            .map(str::trim)
    }
}

/// Name and value of every field that is set, in the order of the list.
pub fn print_fields(query: &MessageQuery) -> Vec<(&'static str, String)> {
    FILTER_FIELDS
        .iter()
        .filter_map(|field| Some((field.name, (field.print)(query)?)))
        .collect()
}

/// Links of the dashboard list their parameters in this order.
pub const FILTER_FIELDS: [FilterField; 21] = [
    FilterField {
        repeatable: true,
        ..field(
            "state",
            "STATES",
            "One state, or several with commas: queued, sending, uncertain, submitted, sent, delivered, read, played, failed, cancelled.",
            ValueShape::Words(|| DeliveryState::ALL.map(DeliveryState::as_str).to_vec()),
            add_state,
            |query| {
                let states = &query.filter.states;
                let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
                (!states.is_empty()).then(|| states.join(","))
            },
        )
    },
    field(
        "account",
        "ID",
        "Account id.",
        ValueShape::Slug,
        |query, text| set(&mut query.filter.account, parse_account(text)),
        |query| query.filter.account.as_ref().map(AccountId::to_string),
    ),
    field(
        "provider",
        "PROVIDER",
        "sobot, kaleyra, zixflow or lancepilot.",
        ValueShape::Word(|| ProviderId::ALL.map(ProviderId::as_str).to_vec()),
        |query, text| {
            let provider = parse_word(text, ProviderId::ALL, ProviderId::as_str);
            set(&mut query.filter.provider, provider)
        },
        |query| query.filter.provider.map(|provider| provider.to_string()),
    ),
    field(
        "from",
        "PHONE",
        "The business number.",
        ValueShape::Phone,
        |query, text| {
            let number = parse_phone(text).map(|digits| format!("+{digits}"));
            set(&mut query.filter.sender, number)
        },
        |query| query.filter.sender.clone(),
    ),
    field(
        "kind",
        "KIND",
        "image or video.",
        ValueShape::Word(|| MediaKind::ALL.map(MediaKind::as_str).to_vec()),
        |query, text| {
            let kind = parse_word(text, MediaKind::ALL, MediaKind::as_str);
            set(&mut query.filter.kind, kind)
        },
        |query| query.filter.kind.map(|kind| kind.to_string()),
    ),
    field(
        "to",
        "PHONE",
        "The customer's complete number, or user id; also finds what was sent to their other ids.",
        ValueShape::Customer,
        |query, text| set(&mut query.filter.recipient, parse_customer(text)),
        |query| query.filter.recipient.clone(),
    ),
    field(
        "ref",
        "TEXT",
        "Any of the three references, or the client reference; the complete text.",
        ValueShape::Text,
        |query, text| set(&mut query.filter.reference, Ok(text.to_owned())),
        |query| query.filter.reference.clone(),
    ),
    FilterField {
        option: "provider-id",
        ..field(
            "provider_id",
            "ID",
            "Any id that the provider uses for the message.",
            ValueShape::ProviderMessageId,
            |query, text| {
                set(
                    &mut query.filter.provider_id,
                    parse_provider_message_id(text),
                )
            },
            |query| query.filter.provider_id.clone(),
        )
    },
    field(
        "q",
        "TEXT",
        "Search: message id, provider id, phone number (complete, its beginning or its last 7 or more digits; only complete without `operate`), or the beginning of a reference.",
        ValueShape::SearchText {
            least: 1,
            most: SearchText::LIMIT,
        },
        |query, text| {
            let text = SearchText::parse(text).map_err(|error| error.to_string());
            set(&mut query.search, text)
        },
        |query| Some(query.search.as_ref()?.as_str().to_owned()),
    ),
    field(
        "code",
        "CODE",
        "The code of the failure.",
        ValueShape::Text,
        |query, text| set(&mut query.filter.code, Ok(text.to_owned())),
        |query| query.filter.code.clone(),
    ),
    field(
        "class",
        "CLASS",
        "The class of the failure: recipient, media, window, policy, account, rate, provider, expired, unknown.",
        ValueShape::Word(|| FailureClass::ALL.map(FailureClass::as_str).to_vec()),
        |query, text| {
            let class = parse_word(text, FailureClass::ALL, FailureClass::as_str);
            set(&mut query.filter.class, class)
        },
        |query| query.filter.class.map(|class| class.to_string()),
    ),
    field(
        "origin",
        "ORIGIN",
        "api, observed or dry-run.",
        ValueShape::Word(|| LISTED_ORIGINS.map(Origin::as_str).to_vec()),
        |query, text| {
            let origin = parse_word(text, LISTED_ORIGINS, Origin::as_str);
            set(&mut query.filter.origin, origin)
        },
        |query| query.filter.origin.map(|origin| origin.to_string()),
    ),
    field(
        "conflict",
        "BOOL",
        "true: delivered, and also reported as failed; false: not.",
        ValueShape::Flag,
        |query, text| set(&mut query.filter.conflict, parse_flag(text)),
        |query| query.filter.conflict.map(|flag| flag.to_string()),
    ),
    field(
        "overdue",
        "BOOL",
        "true: submitted, and no receipt within the account's deadline; false: not.",
        ValueShape::Flag,
        |query, text| set(&mut query.overdue, parse_flag(text)),
        |query| query.overdue.map(|flag| flag.to_string()),
    ),
    field(
        "resent",
        "BOOL",
        "true: sent again as a new message; false: not. With false, a list of problems equals its count.",
        ValueShape::Flag,
        |query, text| set(&mut query.filter.resent, parse_flag(text)),
        |query| query.filter.resent.map(|flag| flag.to_string()),
    ),
    FilterField {
        option: "created-after",
        ..field(
            "created_after",
            "INSTANT",
            "An RFC 3339 instant, inclusive.",
            ValueShape::Instant,
            |query, text| set(&mut query.filter.created_after, parse_instant(text)),
            |query| query.filter.created_after.map(print_instant),
        )
    },
    FilterField {
        option: "created-before",
        ..field(
            "created_before",
            "INSTANT",
            "An RFC 3339 instant, exclusive.",
            ValueShape::Instant,
            |query, text| set(&mut query.filter.created_before, parse_instant(text)),
            |query| query.filter.created_before.map(print_instant),
        )
    },
    field(
        "campaign",
        "ID",
        "Campaign id.",
        ValueShape::Slug,
        |query, text| set(&mut query.filter.campaign, parse_campaign(text)),
        |query| query.filter.campaign.as_ref().map(CampaignId::to_string),
    ),
    FilterField {
        option: "counted-after",
        ..field(
            "counted_after",
            "INSTANT",
            "Counted by statistics and reports at or after this RFC 3339 instant: the time of the first attempt, and until then of the acceptance. With instants on the quarter hour, a list equals the counts.",
            ValueShape::Instant,
            |query, text| set(&mut query.filter.counted_after, parse_instant(text)),
            |query| query.filter.counted_after.map(print_instant),
        )
    },
    FilterField {
        option: "counted-before",
        ..field(
            "counted_before",
            "INSTANT",
            "Counted by statistics and reports before this RFC 3339 instant.",
            ValueShape::Instant,
            |query, text| set(&mut query.filter.counted_before, parse_instant(text)),
            |query| query.filter.counted_before.map(print_instant),
        )
    },
    FilterField {
        repeatable: true,
        ..field(
            "id",
            "IDS",
            "The id of a message, or several with commas, at most 500.",
            ValueShape::Uuids,
            add_id,
            |query| {
                let ids: Vec<String> = query.filter.ids.iter().map(MessageId::to_string).collect();
                (!ids.is_empty()).then(|| ids.join(","))
            },
        )
    },
];

/// Orphans are not listed.
const LISTED_ORIGINS: [Origin; 3] = [Origin::Api, Origin::Observed, Origin::DryRun];

/// The most ids in one filter: a page of the API has no more.
const MAX_IDS: usize = 500;

/// A field with one value, whose option has the name of the parameter.
const fn field(
    name: &'static str,
    value_name: &'static str,
    description: &'static str,
    shape: ValueShape,
    parse: ParseFunction,
    print: PrintFunction,
) -> FilterField {
    FilterField {
        name,
        option: name,
        value_name,
        description,
        shape,
        repeatable: false,
        parse,
        print,
    }
}

fn set<T>(slot: &mut Option<T>, value: Result<T, String>) -> Result<(), String> {
    *slot = Some(value?);
    Ok(())
}

/// Sorted, each once: two spellings of one filter are equal.
fn add_state(query: &mut MessageQuery, text: &str) -> Result<(), String> {
    let state = parse_word(text, DeliveryState::ALL, DeliveryState::as_str)?;
    let states = &mut query.filter.states;
    if let Err(index) = states.binary_search(&state) {
        states.insert(index, state);
    }
    Ok(())
}

/// Sorted, each once, as states are.
fn add_id(query: &mut MessageQuery, text: &str) -> Result<(), String> {
    let id = parse_message_id(text)?;
    let ids = &mut query.filter.ids;
    if let Err(index) = ids.binary_search(&id) {
        if ids.len() >= MAX_IDS {
            return Err(format!("names more than {MAX_IDS} messages"));
        }
        ids.insert(index, id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_prints_what_it_parses() {
        for (name, text, printed) in [
            ("state", "read,sent,read", "sent,read"),
            ("account", "kaleyra-in", "kaleyra-in"),
            ("provider", "sobot", "sobot"),
            ("from", "+91 90000-00001", "+919000000001"),
            ("kind", "video", "video"),
            ("to", "+91 99701-23456", "919970123456"),
            ("ref", "a,b", "a,b"),
            ("provider_id", "wamid.A B", "wamid.A+B"),
            ("q", " 42 ", "42"),
            ("code", "131053", "131053"),
            ("class", "media", "media"),
            ("origin", "dry-run", "dry-run"),
            ("conflict", "0", "false"),
            ("overdue", "1", "true"),
            ("resent", "false", "false"),
            (
                "created_after",
                "2026-11-20T05:30:00.250+05:30",
                "2026-11-20T00:00:00.250Z",
            ),
            (
                "created_before",
                "2026-11-20T00:00:00Z",
                "2026-11-20T00:00:00Z",
            ),
            ("campaign", "summer-sale", "summer-sale"),
            (
                "counted_after",
                "2026-11-20T05:30:00+05:30",
                "2026-11-20T00:00:00Z",
            ),
            (
                "counted_before",
                "2026-11-20T00:00:00Z",
                "2026-11-20T00:00:00Z",
            ),
            (
                "id",
                "019A9F3E-5d2c-7c41-9a55-3f1b2c4d5e6f,019a9f3e-5d2c-7c41-9a55-000000000000",
                "019a9f3e-5d2c-7c41-9a55-000000000000,019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f",
            ),
        ] {
            let field = FILTER_FIELDS.iter().find(|field| field.name == name);
            let field = field.unwrap();
            let mut query = MessageQuery::default();
            for value in field.split(text) {
                (field.parse)(&mut query, value).unwrap();
            }
            assert_eq!(print_fields(&query), [(name, printed.to_owned())]);
        }
    }

    #[test]
    fn an_option_is_named_like_its_parameter() {
        for field in FILTER_FIELDS {
            assert_eq!(field.option, field.name.replace('_', "-"));
        }
    }

    #[test]
    fn an_orphan_is_no_origin_to_filter_by() {
        let origin = FILTER_FIELDS.iter().find(|field| field.name == "origin");
        let orphan = Origin::Orphan.as_str();
        let error = (origin.unwrap().parse)(&mut MessageQuery::default(), orphan);
        assert_eq!(
            error,
            Err("must be one of api, observed, dry-run".to_owned())
        );
    }
}
