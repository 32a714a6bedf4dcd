//! Numbering plans of all countries, from the metadata of the crate `phonenumber`.
//!
//! Numbers are digits without `+`: a country code of one to three digits and a national number.
//! `phonenumber::parse` itself is not used: it removes a trunk prefix from numbers that have none,
//! and it accepts letters.

use std::collections::HashSet;
use std::sync::PoisonError;

use phonenumber::Metadata;
use phonenumber::metadata::{DATABASE, Descriptor};

use crate::domain::recipient_spelling::spellings;

/// A number that a plan allows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InternationalNumber {
    pub(super) country_code: u16,
    pub(super) national: String,
}

impl InternationalNumber {
    pub(super) fn digits(&self) -> String {
        format!("{}{}", self.country_code, self.national)
    }

    /// Whether it is in a range that is known to be in use. Metadata is always older than the
    /// plans: a number outside of these ranges may exist.
    pub(super) fn is_assigned(&self) -> bool {
        plans_of(self.country_code)
            .iter()
            .any(|plan| is_assigned(plan, &self.national))
    }

    /// Whether it is in a range in use that has mobile numbers.
    pub(super) fn is_mobile(&self) -> bool {
        plans_of(self.country_code).iter().any(|plan| {
            matches(plan.descriptors().general(), &self.national)
                && plan.descriptors().mobile().is_some_and(|kind| {
                    has_length(kind, &self.national) && matches(kind, &self.national)
                })
        })
    }
}

/// Why digits are not an international number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NotInternational {
    UnknownCountryCode,
    /// The numbering plan of this country code has no such number.
    NotAllowed(u16),
}

/// Reads digits that begin with a country code, and removes a trunk prefix such as the zero of
/// `+49 0151 …` where the country has one. `without_zero` are the digits without a `(0)`.
pub(super) fn read_international(
    digits: &str,
    without_zero: Option<&str>,
) -> Result<InternationalNumber, NotInternational> {
    let (country_code, national) = split(digits).ok_or(NotInternational::UnknownCountryCode)?;
    let plans = plans_of(country_code);
    let mut forms = vec![national.to_owned()];
    for plan in &plans {
        // A longer form has an area code added, which depends on where the caller is.
        forms.extend(
            without_trunk_prefix(plan, national).filter(|form| form.len() <= national.len()),
        );
    }
    forms.extend(
        without_zero
            .and_then(split)
            .filter(|(code, _)| *code == country_code)
            .map(|(_, national)| national.to_owned()),
    );
    choose(country_code, &plans, forms).ok_or(NotInternational::NotAllowed(country_code))
}

/// Reads digits as they are dialled inside a country (ISO 3166, `IN`).
pub(super) fn read_national(digits: &str, country: &str) -> Option<InternationalNumber> {
    let plan = DATABASE.by_id(country)?;
    let mut forms = vec![digits.to_owned()];
    forms.extend(without_trunk_prefix(plan, digits));
    choose(plan.country_code(), &[plan], forms)
}

/// International prefixes to try where the country of the caller is unknown: of most countries, North
/// America, Australia and Japan.
const INTERNATIONAL_PREFIXES: [&str; 4] = ["00", "011", "0011", "010"];

/// What follows each international prefix that `digits` begin with. `country` is the caller's.
pub fn after_international_prefix<'a>(digits: &'a str, country: Option<&str>) -> Vec<&'a str> {
    let common = INTERNATIONAL_PREFIXES
        .iter()
        .filter_map(|prefix| digits.strip_prefix(prefix));
    let own = country
        .and_then(|country| DATABASE.by_id(country)?.international_prefix())
        .and_then(|prefix| prefix.find(digits))
        .filter(|found| found.start() == 0)
        .map(|found| &digits[found.end()..]);
    let mut rests: Vec<&str> = common.chain(own).collect();
    rests.sort_unstable();
    rests.dedup();
    rests
}

/// Splits off the country code. No country code is the beginning of another.
fn split(digits: &str) -> Option<(u16, &str)> {
    (1..=3).find_map(|length| {
        let (code, national) = digits.split_at_checked(length)?;
        let code: u16 = code.parse().ok().filter(|_| !code.starts_with('0'))?;
        DATABASE.by_code(&code).map(|_| (code, national))
    })
}

fn plans_of(country_code: u16) -> Vec<&'static Metadata> {
    DATABASE.by_code(&country_code).unwrap_or_default()
}

/// Prefers a number in an assigned range to one that the plan merely allows, then an earlier form.
fn choose(
    country_code: u16,
    plans: &[&Metadata],
    forms: Vec<String>,
) -> Option<InternationalNumber> {
    let mut seen = HashSet::new();
    let allowed: Vec<InternationalNumber> = forms
        .into_iter()
        .filter(|form| seen.insert(form.clone()))
        .map(|national| InternationalNumber {
            country_code,
            national,
        })
        .filter(|number| is_allowed(plans, number))
        .collect();
    let assigned = match allowed.as_slice() {
        [] | [_] => None,
        several => several.iter().find(|number| number.is_assigned()).cloned(),
    };
    assigned.or_else(|| allowed.into_iter().next())
}

/// WhatsApp writes some numbers with a digit more or less than the plan has.
fn is_allowed(plans: &[&Metadata], number: &InternationalNumber) -> bool {
    let code_length = number.country_code.to_string().len();
    spellings(&number.digits())
        .iter()
        .filter_map(|digits| digits.get(code_length..))
        .any(|national| plans.iter().any(|plan| is_possible(plan, national)))
}

fn is_possible(plan: &Metadata, national: &str) -> bool {
    matches(plan.descriptors().general(), national)
        && kinds(plan).any(|kind| has_length(kind, national))
}

fn is_assigned(plan: &Metadata, national: &str) -> bool {
    matches(plan.descriptors().general(), national)
        && kinds(plan).any(|kind| has_length(kind, national) && matches(kind, national))
}

fn has_length(kind: &Descriptor, national: &str) -> bool {
    u16::try_from(national.len()).is_ok_and(|length| kind.possible_length().contains(&length))
}

/// Matches the whole number; `Descriptor::is_match` accepts a match at its beginning.
fn matches(kind: &Descriptor, national: &str) -> bool {
    let pattern = format!("^(?:{})$", kind.national_number().as_str());
    let cache = DATABASE.cache();
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    cache
        .configure(&pattern, |builder| builder.ignore_whitespace(true))
        .is_ok_and(|pattern| pattern.is_match(national))
}

/// The kinds of numbers that can be called from abroad.
fn kinds(plan: &Metadata) -> impl Iterator<Item = &Descriptor> {
    let kinds = plan.descriptors();
    [
        kinds.mobile(),
        kinds.fixed_line(),
        kinds.toll_free(),
        kinds.premium_rate(),
        kinds.shared_cost(),
        kinds.personal_number(),
        kinds.voip(),
        kinds.pager(),
        kinds.uan(),
        kinds.voicemail(),
    ]
    .into_iter()
    .flatten()
}

/// The forms of a national number without what is dialled only inside the country: a trunk prefix,
/// and codes of carriers after it.
fn without_trunk_prefix(plan: &Metadata, national: &str) -> impl Iterator<Item = String> {
    let trunk = plan
        .national_prefix()
        .and_then(|prefix| national.strip_prefix(prefix))
        .map(str::to_owned);
    let replaced = plan.national_prefix_for_parsing().and_then(|pattern| {
        let groups = pattern.captures(national)?;
        let whole = groups.get(0).filter(|found| found.start() == 0)?;
        let last = (groups.len() > 1).then(|| groups.get(groups.len() - 1));
        match (last.flatten(), plan.national_prefix_transform_rule()) {
            (Some(_), Some(rule)) => Some(pattern.replace(national, rule).into_owned()),
            _ => Some(national[whole.end()..].to_owned()),
        }
    });
    let national = national.to_owned();
    [trunk, replaced]
        .into_iter()
        .flatten()
        .filter(move |form| !form.is_empty() && *form != national)
}
