//! What each failure code means, its class, and what to do about it.
//!
//! The table in `failure_code_table` is keyed by provider, code and the key inside the error.
//! Extracting the code from a payload is in `providers`.

use crate::domain::failure::{Failure, FailureClass};
use crate::domain::failure_code_table::{PERMISSION, TABLE};
use crate::domain::provider::ProviderId::{self, Kaleyra};

pub use crate::domain::failure_code_table::{CodeMeaning, EXPIRED, UNSENDABLE};

/// Looks up a failure by provider, code and (Kaleyra, LancePilot) the key inside the error.
///
/// Never fails: a code that is not documented has the class `unknown`.
pub fn describe(provider: ProviderId, failure: &Failure) -> CodeMeaning {
    let Some(code) = failure.code.as_deref().map(str::trim) else {
        return if failure.text().is_empty() {
            WITHOUT_TEXT
        } else {
            WITHOUT_CODE
        };
    };
    let find = |scope: Option<ProviderId>, key: Option<&str>| {
        TABLE
            .iter()
            .find(|entry| {
                entry.provider == scope && entry.key == key && entry.codes.contains(&code)
            })
            .map(|entry| entry.meaning)
    };
    failure
        .key
        .as_deref()
        .and_then(|key| find(Some(provider), Some(key)))
        .or_else(|| find(Some(provider), None))
        .or_else(|| find(None, None))
        .or_else(|| describe_range(code))
        .unwrap_or(UNDOCUMENTED)
}

/// Codes with which a provider rejects the account, in a reply or later in a callback: every
/// further message would fail the same way.
const ACCOUNT_REJECTIONS: &[(ProviderId, &[&str])] = &[(Kaleyra, KALEYRA_ACCOUNT_CODES)];

pub const KALEYRA_ACCOUNT_CODES: &[&str] = &["RBC001", "E110", "WAV2101", "WA401", "WA-401"];

/// Whether the provider rejects the whole account with this failure.
pub fn rejects_account(provider: ProviderId, failure: &Failure) -> bool {
    let code = failure.code.as_deref().map(str::trim);
    ACCOUNT_REJECTIONS
        .iter()
        .any(|(id, codes)| *id == provider && codes.iter().any(|known| Some(*known) == code))
}

/// Our own codes of messages that failed in the queue, without an attempt.
pub const QUEUE_CODES: [&str; 2] = [EXPIRED, UNSENDABLE];

pub fn is_queue_code(code: &str) -> bool {
    QUEUE_CODES.contains(&code)
}

/// For failures without a code.
pub const WITHOUT_CODE: CodeMeaning = CodeMeaning {
    class: FailureClass::Unknown,
    meaning: "No code was reported; only the text is known.",
    action: "See the text and the raw callback or attempt; ask the provider, quoting the message's id.",
};

const WITHOUT_TEXT: CodeMeaning = CodeMeaning {
    class: FailureClass::Unknown,
    meaning: "No reason was reported: neither a code nor a text.",
    action: "See the raw callback or attempt; ask the provider, quoting the message's id.",
};

const UNDOCUMENTED: CodeMeaning = CodeMeaning {
    class: FailureClass::Unknown,
    meaning: "The code is not documented.",
    action: "Ask the provider what it means, quoting the message's id.",
};

/// Code ranges that Meta and HTTP document: permissions, redirects, other 4xx and 5xx.
fn describe_range(code: &str) -> Option<CodeMeaning> {
    match code.parse().ok()? {
        200..300 => Some(PERMISSION),
        300..400 => Some(REDIRECT),
        400..500 => Some(REQUEST_REJECTED),
        500..600 => Some(PROVIDER_ERROR),
        _ => None,
    }
}

const REDIRECT: CodeMeaning = CodeMeaning {
    class: FailureClass::Account,
    meaning: "The provider's URL answered with a redirect; redirects are never followed.",
    action: "Correct base_url or region; the detail has the redirect's Location. Resume the account if it is paused, then resend this message.",
};
const REQUEST_REJECTED: CodeMeaning = CodeMeaning {
    class: FailureClass::Provider,
    meaning: "The provider rejected the request.",
    action: "See the provider's message; correct what it names, then resend.",
};
const PROVIDER_ERROR: CodeMeaning = CodeMeaning {
    class: FailureClass::Provider,
    meaning: "The provider had an internal error.",
    action: "Check its status page; resend once it has recovered.",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::FailureClass::{
        Account, Media, Policy, Provider, Rate, Recipient, Window,
    };
    use crate::domain::failure::UNREACHABLE;
    use crate::domain::provider::ProviderId::{LancePilot, Sobot};

    fn failure(code: &str, key: Option<&str>) -> Failure {
        Failure {
            code: Some(code.to_owned()),
            key: key.map(ToOwned::to_owned),
            ..Failure::default()
        }
    }

    /// Every documented failure code, by class.
    const DOCUMENTED: &[(FailureClass, &str)] = &[
        (
            Account,
            "RBC001 E110 WAV2101 WA401 WA-401 0 190 3 10 200 201 250 299 131005 131030 131031 131037 131042 131044 \
             131045 131063 131064 132000 132001 132005 132007 132008 132012 132015 132016 132068 132069 133010 133016",
        ),
        (Recipient, "1013 1026 131021 131026 131062 137000"),
        (Media, "131014 131051 131052 131053"),
        (Window, "470 131047"),
        (Policy, "368 130472 130497 131048 131049 131050"),
        (Rate, "4 80007 130429 131056"),
        (
            Provider,
            "WA400 WA500 E13001 2 131016 100 131008 131009 131000 131057 135000",
        ),
    ];

    #[test]
    fn every_documented_code_has_its_class_a_meaning_and_an_action() {
        for (class, codes) in DOCUMENTED {
            for code in codes.split_whitespace() {
                let meaning = describe(Kaleyra, &failure(code, None));
                assert_eq!(meaning.class, *class, "{code}");
                assert!(meaning.meaning.ends_with('.'), "{code}");
                assert!(meaning.action.ends_with('.'), "{code}");
            }
        }
    }

    #[test]
    fn every_entry_of_the_table_is_a_documented_code_an_http_status_or_our_own() {
        let documented: Vec<&str> = DOCUMENTED
            .iter()
            .flat_map(|(_, codes)| codes.split_whitespace())
            .chain([UNREACHABLE, EXPIRED, UNSENDABLE])
            .collect();
        let is_http = |code: &str| {
            code.parse()
                .is_ok_and(|number: u16| (400..500).contains(&number))
        };
        for code in TABLE.iter().flat_map(|entry| entry.codes) {
            assert!(documented.contains(code) || is_http(code), "{code}");
        }
    }

    #[test]
    fn only_codes_that_pause_an_account_ask_to_resume_it() {
        for entry in TABLE {
            for code in entry.codes {
                let pauses = matches!(*code, "401" | "403")
                    || (entry.provider, *code) == (Some(LancePilot), "404")
                    || entry
                        .provider
                        .is_some_and(|id| rejects_account(id, &failure(code, entry.key)));
                let asks = entry.meaning.action.contains("resume");
                assert_eq!(pauses, asks, "{:?} {code}", entry.provider);
            }
        }
    }

    #[test]
    fn the_key_inside_the_error_distinguishes_two_meanings() {
        let of_account = describe(Kaleyra, &failure("WA-401", Some("account")));
        let of_number = describe(Kaleyra, &failure("WA-401", Some("phone_number")));
        assert_ne!(of_account.meaning, of_number.meaning);
        assert_eq!(
            describe(LancePilot, &failure("422", Some("file"))).class,
            FailureClass::Media
        );
        assert_eq!(
            describe(LancePilot, &failure("422", Some("caption"))).class,
            FailureClass::Provider
        );
    }

    #[test]
    fn a_code_of_one_provider_is_unknown_at_another() {
        assert_eq!(
            describe(Sobot, &failure("RBC001", None)).class,
            FailureClass::Unknown
        );
        assert_eq!(
            describe(Sobot, &Failure::default()).class,
            FailureClass::Unknown
        );
    }

    #[test]
    fn no_code_is_listed_twice() {
        for (at, entry) in TABLE.iter().enumerate() {
            for later in &TABLE[at + 1..] {
                let same = entry.provider == later.provider && entry.key == later.key;
                let shared = entry.codes.iter().find(|code| later.codes.contains(code));
                assert!(!same || shared.is_none(), "{shared:?}");
            }
        }
    }
}
