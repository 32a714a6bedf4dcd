//! One `[[accounts]]` table: common keys and those of each provider.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono_tz::Tz;

use crate::config::address::parse_http_url;
use crate::config::budget_key::read_budget;
use crate::config::callback_auth::read_callback_auth;
use crate::config::callback_field_names::read_callback_fields;
use crate::config::credential_keys::{provider_keys, read_credentials};
use crate::config::table_reader::TableReader;
use crate::config::time_zone::parse_time_zone;
use crate::domain::budget::Budget;
use crate::domain::callback_fields::CallbackFields;
use crate::domain::ids::{AccountId, NotAnAccountId};
use crate::domain::phone::PhoneNumber;
use crate::domain::provider::ProviderId;
use crate::domain::provider_account::{
    Account, AccountMode, Adoption, CallbackAuth, CorrelationSlot, Credentials,
    DEFAULT_PROVIDER_TIME_ZONE, MatchBy, Preflight, WindowPolicy,
};

const DEFAULT_ADOPT_AFTER: Duration = Duration::from_mins(10);
const DEFAULT_MAX_IN_FLIGHT: usize = 64;

/// An account with its provider's defaults, without senders and callback authentication.
pub fn account_with_defaults(id: AccountId, credentials: Credentials) -> Account {
    let provider = credentials.provider();
    Account {
        id,
        credentials,
        senders: Vec::new(),
        base_url: None,
        callback_auth: CallbackAuth::default(),
        callback_generation: 1,
        callback_retired: Vec::new(),
        callback_fields: CallbackFields::default(),
        provider_time_zone: DEFAULT_PROVIDER_TIME_ZONE,
        correlation_slot: CorrelationSlot::default(),
        adoption: Adoption::After(DEFAULT_ADOPT_AFTER),
        match_by: match provider {
            ProviderId::LancePilot => MatchBy::Recipient,
            _ => MatchBy::Off,
        },
        default_country: None,
        report_deadline: Duration::from_hours(24),
        timeout: match provider {
            // With submissionStatus Zixflow waits for WhatsApp before it answers.
            ProviderId::Zixflow => Duration::from_mins(1),
            _ => Duration::from_secs(30),
        },
        max_queue_time: Duration::from_hours(1),
        rate: None,
        max_in_flight: DEFAULT_MAX_IN_FLIGHT,
        mode: AccountMode::Live,
        preflight: Preflight::default(),
        window_policy: WindowPolicy::default(),
        free_deliveries_per_month: 0,
        monthly_budget: None,
    }
}

/// Returns `None` if id or credentials are invalid. Problems are recorded either way.
pub(super) fn read_account(
    table: &mut TableReader<'_, '_>,
    used_ids: &mut BTreeSet<AccountId>,
) -> Option<Account> {
    let id = table.required("id", |table, name| {
        table.parse(name, |text| {
            let id: AccountId = text
                .parse()
                .map_err(|error: NotAnAccountId| error.to_string())?;
            if used_ids.insert(id.clone()) {
                Ok(id)
            } else {
                Err(format!("`{text}` is another account's id"))
            }
        })
    });
    let provider = table.required("provider", |table, name| {
        table.parse(name, str::parse::<ProviderId>)
    });
    let credentials = provider.and_then(|provider| read_credentials(table, provider));
    let senders = read_senders(table, provider);
    let base_url = table.parse("base_url", parse_http_url);
    let callback_auth = table
        .within("callback_auth", read_callback_auth)
        .unwrap_or_default();
    let callback_fields = table
        .within("callback_fields", read_callback_fields)
        .unwrap_or_default();
    let (generation, retired) = read_generations(table);
    let common = CommonKeys::read(table);
    report_unknown_keys(table, provider);

    let defaults = account_with_defaults(id?, credentials?);
    Some(Account {
        senders,
        base_url,
        callback_auth,
        callback_generation: generation,
        callback_retired: retired,
        callback_fields,
        ..common.or_defaults(defaults)
    })
}

struct CommonKeys {
    provider_time_zone: Option<Tz>,
    correlation_slot: Option<CorrelationSlot>,
    adoption: Option<Adoption>,
    match_by: Option<MatchBy>,
    default_country: Option<String>,
    report_deadline: Option<Duration>,
    timeout: Option<Duration>,
    max_queue_time: Option<Duration>,
    rate: Option<f64>,
    max_in_flight: Option<u32>,
    mode: Option<AccountMode>,
    preflight: Option<Preflight>,
    window_policy: Option<WindowPolicy>,
    free_deliveries_per_month: Option<u32>,
    monthly_budget: Option<Budget>,
}

impl CommonKeys {
    fn read(table: &mut TableReader<'_, '_>) -> Self {
        let adopt = table.choice("adopt", &[("auto", true), ("off", false)]);
        let adopt_after = table.duration("adopt_after");
        Self {
            provider_time_zone: table.parse("provider_time_zone", parse_time_zone),
            correlation_slot: table.choice(
                "correlation_slot",
                &[
                    ("auto", CorrelationSlot::Auto),
                    ("ref", CorrelationSlot::Ref),
                    ("ref1", CorrelationSlot::Ref1),
                    ("ref2", CorrelationSlot::Ref2),
                ],
            ),
            adoption: match adopt {
                Some(false) => Some(Adoption::Off),
                _ => adopt_after.map(Adoption::After),
            },
            match_by: table.choice(
                "match_by",
                &[("recipient", MatchBy::Recipient), ("off", MatchBy::Off)],
            ),
            default_country: table.parse("default_country", parse_country),
            report_deadline: table.duration("deadline"),
            timeout: table.duration("timeout"),
            max_queue_time: table.duration("send_before"),
            rate: table.positive_number("rate"),
            max_in_flight: table.whole_number("max_in_flight", 1..=1_000),
            mode: table.choice(
                "mode",
                &[
                    ("live", AccountMode::Live),
                    ("dry-run", AccountMode::DryRun),
                ],
            ),
            preflight: table.choice(
                "preflight",
                &[
                    ("off", Preflight::Off),
                    ("warn", Preflight::Warn),
                    ("refuse", Preflight::Refuse),
                ],
            ),
            window_policy: table.choice(
                "window",
                &[
                    ("ignore", WindowPolicy::Ignore),
                    ("warn", WindowPolicy::Warn),
                    ("refuse", WindowPolicy::Refuse),
                ],
            ),
            free_deliveries_per_month: table.whole_number("free_per_month", 0..=u32::MAX),
            monthly_budget: read_budget(table),
        }
    }

    fn or_defaults(self, defaults: Account) -> Account {
        Account {
            provider_time_zone: self
                .provider_time_zone
                .unwrap_or(defaults.provider_time_zone),
            correlation_slot: self.correlation_slot.unwrap_or(defaults.correlation_slot),
            adoption: self.adoption.unwrap_or(defaults.adoption),
            match_by: self.match_by.unwrap_or(defaults.match_by),
            default_country: self.default_country,
            report_deadline: self.report_deadline.unwrap_or(defaults.report_deadline),
            timeout: self.timeout.unwrap_or(defaults.timeout),
            max_queue_time: self.max_queue_time.unwrap_or(defaults.max_queue_time),
            rate: self.rate,
            max_in_flight: self
                .max_in_flight
                .and_then(|number| usize::try_from(number).ok())
                .unwrap_or(defaults.max_in_flight),
            mode: self.mode.unwrap_or(defaults.mode),
            preflight: self.preflight.unwrap_or(defaults.preflight),
            window_policy: self.window_policy.unwrap_or(defaults.window_policy),
            free_deliveries_per_month: self
                .free_deliveries_per_month
                .unwrap_or(defaults.free_deliveries_per_month),
            monthly_budget: self.monthly_budget,
            ..defaults
        }
    }
}

fn read_senders(table: &mut TableReader<'_, '_>, provider: Option<ProviderId>) -> Vec<String> {
    let both = table.has("sender") && table.has("senders");
    let neither = !table.has("sender") && !table.has("senders");
    if both {
        table.problem("senders", "give either sender or senders, not both");
    }
    if neither && provider == Some(ProviderId::Kaleyra) {
        table.problem("sender", "is required for kaleyra");
    }
    let one = table.parse("sender", parse_sender);
    let several = table.parse_each("senders", parse_sender);
    one.into_iter().chain(several).collect()
}

fn parse_sender(text: &str) -> Result<String, String> {
    PhoneNumber::parse(text)
        .map(|number| number.e164())
        .map_err(|error| format!("is not a phone number: {error}"))
}

fn parse_country(text: &str) -> Result<String, String> {
    let code = text.to_ascii_uppercase();
    match code.parse::<phonenumber::country::Id>() {
        Ok(_) => Ok(code),
        Err(_) => Err(format!(
            "`{text}` is not a country; write two letters such as IN"
        )),
    }
}

/// The current generation and the retired ones. A generation is one version of the account's
/// callback URL.
fn read_generations(table: &mut TableReader<'_, '_>) -> (u32, Vec<u32>) {
    let given = table.has("callback_generation");
    let read = table.whole_number("callback_generation", 1..=1_000_000);
    let generation = read.unwrap_or(1);
    let retired = table.read_whole_numbers("callback_retired");
    let generation_is_valid = read.is_some() || !given;
    if generation_is_valid && retired.iter().any(|&old| old == 0 || old >= generation) {
        table.problem(
            "callback_retired",
            format!("must list only generations below callback_generation ({generation})"),
        );
    }
    (generation, retired)
}

/// Reports the remaining keys: those of other providers as such, the rest as unknown.
fn report_unknown_keys(table: &mut TableReader<'_, '_>, provider: Option<ProviderId>) {
    table.finish(|name| {
        let owners: Vec<&str> = ProviderId::ALL
            .into_iter()
            .filter(|other| provider_keys(*other).contains(&name))
            .map(ProviderId::as_str)
            .collect();
        if owners.is_empty() {
            return None;
        }
        let owners = owners.join(" and ");
        Some(match provider {
            Some(provider) => format!("is a key of {owners}, not of {provider}"),
            None => format!("is a key of {owners}"),
        })
    });
}
