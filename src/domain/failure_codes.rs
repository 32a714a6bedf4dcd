//! What each failure code means, its class, and what to do about it.
//!
//! One table, keyed by provider, code and the key inside the error. Sources: the documentation
//! linked in each provider's file, read on 2026-11-20. Extracting the code from a payload is in
//! `providers`.

use crate::domain::failure::FailureClass::{
    self, Account, Expired, Media, Policy, Provider, Rate, Recipient, Window,
};
use crate::domain::failure::{Failure, UNREACHABLE};
use crate::domain::provider::ProviderId::{self, Kaleyra, LancePilot, Sobot, Zixflow};

/// What is known about a failure code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodeMeaning {
    pub class: FailureClass,
    pub meaning: &'static str,
    pub action: &'static str,
}

/// Our own code for a message that was queued longer than `send_before`.
pub const EXPIRED: &str = "expired";

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
const ACCOUNT_REJECTIONS: &[(ProviderId, &[&str])] =
    &[(Kaleyra, &["RBC001", "E110", "WAV2101", "WA401", "WA-401"])];

/// Whether the provider rejects the whole account with this failure.
pub fn rejects_account(provider: ProviderId, failure: &Failure) -> bool {
    let code = failure.code.as_deref().map(str::trim);
    ACCOUNT_REJECTIONS
        .iter()
        .any(|(id, codes)| *id == provider && codes.iter().any(|known| Some(*known) == code))
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

/// Ranges that Meta and HTTP document: permissions, redirects, other 4xx and 5xx.
fn describe_range(code: &str) -> Option<CodeMeaning> {
    match code.parse().ok()? {
        200..300 => Some(PERMISSION),
        300..400 => Some(REDIRECT),
        400..500 => Some(REQUEST_REJECTED),
        500..600 => Some(PROVIDER_ERROR),
        _ => None,
    }
}

const PERMISSION: CodeMeaning = CodeMeaning {
    class: FailureClass::Account,
    meaning: "The account lacks a required permission.",
    action: "Check the number's permissions in the provider's console, then resend.",
};
const REDIRECT: CodeMeaning = CodeMeaning {
    class: FailureClass::Account,
    meaning: "The provider's URL answered with a redirect; redirects are never followed.",
    action: "Correct base_url or region; the detail has the redirect's Location.",
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

/// A table row. Without a provider, the codes are WhatsApp's own and valid for every provider.
#[derive(Clone, Copy)]
struct CodeEntry {
    provider: Option<ProviderId>,
    codes: &'static [&'static str],
    key: Option<&'static str>,
    meaning: CodeMeaning,
}

const fn entry(
    codes: &'static [&'static str],
    class: FailureClass,
    meaning: &'static str,
    action: &'static str,
) -> CodeEntry {
    CodeEntry {
        provider: None,
        codes,
        key: None,
        meaning: CodeMeaning {
            class,
            meaning,
            action,
        },
    }
}

const fn for_provider(
    provider: ProviderId,
    key: Option<&'static str>,
    entry: CodeEntry,
) -> CodeEntry {
    CodeEntry {
        provider: Some(provider),
        codes: entry.codes,
        key,
        meaning: entry.meaning,
    }
}

#[rustfmt::skip]
static TABLE: &[CodeEntry] = &[
    // Kaleyra's own, in replies and "not sent" reports
    for_provider(Kaleyra, None, entry(&["RBC001"], Account, "Kaleyra does not accept this SID with this API key.", "Correct sid and api_key in the account's configuration; resume the account if it is paused, then resend this message.")),
    for_provider(Kaleyra, None, entry(&["E110"], Account, "Kaleyra's balance is too low.", "Top up the balance at Kaleyra; resume the account if it is paused, then resend this message.")),
    for_provider(Kaleyra, None, entry(&["WAV2101"], Account, "The account's daily limit at Kaleyra is reached.", "Wait until the limit resets the next day, or ask Kaleyra for a higher one; resume the account if it is paused, then resend this message.")),
    for_provider(Kaleyra, Some("payload"), entry(&["WA400"], Provider, "Kaleyra rejected the structure of the request.", "Compare the attempt with Kaleyra's documentation; correct sender, number or media, then resend.")),
    for_provider(Kaleyra, None, entry(&["WA400"], Provider, "Kaleyra rejected a field of the request.", "Correct the field that its message names, then resend.")),
    for_provider(Kaleyra, Some("phone_number"), entry(&["WA401"], Account, "The sender number does not exist or belongs to another Kaleyra account.", "Correct the account's sender, with + and country code; resume the account if it is paused, then resend this message.")),
    for_provider(Kaleyra, None, entry(&["WA401"], Account, "Kaleyra does not permit this for the account.", "See Kaleyra's message; correct sender, sid or api_key; resume the account if it is paused, then resend this message.")),
    for_provider(Kaleyra, Some("account"), entry(&["WA-401"], Account, "This Kaleyra account may not use the WhatsApp API.", "Ask Kaleyra's support to enable the API for the account; resume the account if it is paused, then resend this message.")),
    for_provider(Kaleyra, Some("phone_number"), entry(&["WA-401"], Account, "The sender number belongs to another version of Kaleyra's WhatsApp API.", "Ask Kaleyra to move the number to V2, or use another sender; resume the account if it is paused, then resend this message.")),
    for_provider(Kaleyra, None, entry(&["WA-401"], Account, "Kaleyra does not permit this for the account.", "See Kaleyra's message and ask its support; resume the account if it is paused, then resend this message.")),
    for_provider(Kaleyra, None, entry(&["WA500"], Provider, "Kaleyra had an internal error.", "It was retried after 5, 10 and 15 minutes. Resend once Kaleyra has recovered.")),
    for_provider(Kaleyra, None, entry(&["E13001"], Provider, "Kaleyra's first API version rejected a field of the request.", "Correct what its message names, then resend.")),
    // The others say it with an HTTP status
    for_provider(Sobot, None, entry(&["400"], Provider, "Sobot rejected a field of the request.", "Its message names the field, often the mobile number: correct it, then resend.")),
    for_provider(Sobot, None, entry(&["401"], Account, "Sobot does not accept these keys. Generating new keys disables the old pair at once.", "Correct api_key and api_secret in the account's configuration; resume the account if it is paused, then resend this message.")),
    for_provider(Sobot, None, entry(&["403"], Account, "Sobot does not permit this for these keys.", "Check the permissions of the keys in Sobot's console, then resend.")),
    for_provider(Zixflow, None, entry(&["400"], Provider, "Zixflow rejected invalid data in the request.", "Check phone_id, the number and the media URL, then resend. Outside the 24-hour window a template is required first.")),
    for_provider(Zixflow, None, entry(&["401"], Account, "Zixflow does not accept this token.", "Correct token in the account's configuration; resume the account if it is paused, then resend this message.")),
    for_provider(Zixflow, None, entry(&["403"], Account, "Zixflow does not permit this for the token.", "Check the token's permissions in Zixflow and whether phone_id belongs to it, then resend.")),
    for_provider(LancePilot, None, entry(&["401"], Account, "LancePilot does not accept this token.", "Correct token in the account's configuration; resume the account if it is paused, then resend this message.")),
    for_provider(LancePilot, None, entry(&["403"], Account, "The token has no access to this workspace.", "Correct token and workspace in the account's configuration, then resend.")),
    for_provider(LancePilot, None, entry(&["404"], Account, "LancePilot has no such workspace or contact.", "Check workspace in the account's configuration, and whether the contact exists there, then resend.")),
    for_provider(LancePilot, Some("file"), entry(&["422"], Media, "LancePilot rejected the file.", "Use a jpg, png, mp4 or 3gp within the size limit at a public URL, then resend.")),
    for_provider(LancePilot, Some("number"), entry(&["422"], Recipient, "LancePilot rejected the number.", "Correct the number with its country code, then resend.")),
    for_provider(LancePilot, None, entry(&["422"], Provider, "LancePilot rejected a field of the request.", "The detail names each field and the reason: correct them, then resend.")),
    entry(&["401"], Account, "The provider does not accept these keys.", "Correct the keys in the account's configuration; resume the account if it is paused, then resend this message."),
    entry(&["403"], Account, "The provider does not permit this for these keys.", "Check the permissions of the keys in the provider's console, then resend."),
    entry(&["404"], Account, "The provider's URL does not exist.", "Check base_url and the fixed parts of the account's configuration."),
    entry(&["413"], Media, "The file is too large for the provider.", "Make the file smaller, then resend."),
    entry(&["415"], Media, "The provider does not support this file type.", "Convert it to JPEG, PNG or MP4 (H.264, AAC), then resend."),
    entry(&["429"], Rate, "The provider's rate limit was exceeded.", "Lower rate in the account's configuration, then resend."),
    // Our own
    entry(&[UNREACHABLE], Provider, "The provider could not be reached in any attempt; nothing was sent.", "Check the network, DNS and base_url, then resend: nothing was sent to the customer."),
    entry(&[EXPIRED], Expired, "It was queued longer than send_before allows and was never submitted.", "Fix what blocked the account, then resend if it is still useful."),
    // WhatsApp's, through any provider
    entry(&["0", "190"], Account, "WhatsApp does not accept the provider's access token: it is invalid or expired.", "Reconnect the number in the provider's console or ask the provider, then resend."),
    entry(&["3", "10", "131005"], Account, PERMISSION.meaning, PERMISSION.action),
    entry(&["2", "131016"], Provider, "WhatsApp was temporarily down or overloaded.", "Check WhatsApp's status page; resend once it has recovered."),
    entry(&["4", "80007", "130429"], Rate, "This account sent too many messages in a short time.", "Send more slowly: lower rate in the account's configuration, then resend."),
    entry(&["100", "131008", "131009"], Provider, "A parameter is missing or invalid.", "See the detail: correct the field that it names, then resend."),
    entry(&["368"], Policy, "WhatsApp has temporarily blocked the business number for violating its policies.", "See the reason in WhatsApp Manager and appeal there; do not resend before the block is lifted."),
    entry(&["470", "131047"], Window, "More than 24 hours have passed since the customer last wrote, so only templates may be sent.", "Send an approved template from the provider's console first; resend once the customer has answered."),
    entry(&["1013", "1026"], Recipient, "The number is not on WhatsApp.", "Check the number with the customer."),
    entry(&["130472"], Policy, "WhatsApp withheld it: the customer is in one of its experiments.", "Do not resend; reach the customer another way."),
    entry(&["130497"], Policy, "The business may not write to customers in this country.", "Check which countries the WhatsApp account may message."),
    entry(&["131000"], Provider, "WhatsApp failed without a specific reason.", "Resend once; if it happens again, ask the provider."),
    entry(&["131014"], Media, "WhatsApp could not fetch the media from its URL.", "Open the URL in a browser without signing in; fix it, then resend."),
    entry(&["131021"], Recipient, "Sender and recipient are the same number.", "Send to another number."),
    entry(&["131026"], Recipient, "It cannot be delivered: the number is not on WhatsApp, its owner has not accepted the terms, runs an old version or blocks the business.", "Check the number with the customer and ask them to update WhatsApp."),
    entry(&["131030"], Account, "The number is not on the list of a test account.", "Add it to the allowed numbers, or leave test mode."),
    entry(&["131031"], Account, "WhatsApp has locked the business account.", "See the reason in WhatsApp Manager and appeal there."),
    entry(&["131037"], Account, "The sender's display name is not approved.", "Get the display name approved in WhatsApp Manager, then resend."),
    entry(&["131042", "131044"], Account, "The account has no valid payment method or is not eligible.", "Fix the payment settings in WhatsApp Manager, then resend."),
    entry(&["131045"], Account, "The sender number is not registered correctly.", "Register the number again in the provider's console, then resend."),
    entry(&["131048"], Policy, "Too many customers blocked or reported this sender, so WhatsApp limits it.", "Send less, and only to customers who expect it; see the quality rating in WhatsApp Manager."),
    entry(&["131049"], Policy, "WhatsApp withheld it to limit marketing messages to this customer.", "Wait at least 24 hours before resending; earlier attempts prolong the limit."),
    entry(&["131050"], Policy, "The customer has opted out of marketing messages from this business.", "Do not resend."),
    entry(&["131051"], Media, "WhatsApp does not support this type of message.", "Send an image (JPEG, PNG) or a video (MP4, 3GP)."),
    entry(&["131052"], Media, "WhatsApp could not download the media.", "Check that the URL opens without signing in; resend once, then use another file."),
    entry(&["131053"], Media, "WhatsApp rejected the media: its URL did not answer, its type or codec is not supported, or it is too large.", "See the detail: check the URL, its Content-Type, the size, and for video H.264 with one AAC track; then resend."),
    entry(&["131056"], Rate, "Too many messages were sent to this customer in a short time.", "Wait a minute before resending."),
    entry(&["131057"], Provider, "The WhatsApp account is in maintenance.", "Wait until it is over, then resend."),
    entry(&["131062"], Recipient, "The customer is known only by a user id, which cannot receive this message.", "Ask the customer for the phone number."),
    entry(&["131063"], Account, "Marketing templates are disabled for this account.", "Change it in WhatsApp Manager, then resend."),
    entry(&["131064"], Account, "The account's limit for classifying templates is reached.", "Wait, or ask the provider."),
    entry(&["132000", "132001", "132005", "132007", "132008", "132012", "132016", "132068", "132069"], Account, "The template is invalid or does not exist.", "Fix the template in the provider's console, then send it again from there."),
    entry(&["132015"], Account, "The template is paused because of its low quality.", "Wait until the pause is over or edit the template, then send it again."),
    entry(&["133010"], Account, "The sender number is not registered with WhatsApp.", "Register the number in the provider's console, then resend."),
    entry(&["133016"], Account, "The sender number was registered too often; WhatsApp blocks further registrations.", "Wait until the block that WhatsApp names is over, then register once."),
    entry(&["135000"], Provider, "WhatsApp failed without a specific reason.", "Resend once; if it happens again, ask the provider."),
    entry(&["137000"], Recipient, "The customer's identity key has changed, perhaps with a new phone.", "Make sure that the number is still the customer's, then resend."),
];

#[cfg(test)]
mod tests {
    use super::*;

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
            .chain([UNREACHABLE, EXPIRED])
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
                let pauses = *code == "401"
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
