//! What a failure code means, in plain words, what class of trouble it is, and what to do about it.
//!
//! One table, keyed by provider, code and the key inside the error. Meanings follow `providers.md` §2.2 and §5.4, read on 2026-11-20;
//! finding the code in a payload is the providers' business.

use crate::domain::failure::FailureClass::{
    self, Account, Expired, Media, Policy, Provider, Rate, Recipient, Window,
};
use crate::domain::failure::{Failure, UNREACHABLE};
use crate::domain::provider::ProviderId::{self, Kaleyra, LancePilot, Sobot, Zixflow};

/// One entry of the dictionary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// Who can mend it.
    pub class: FailureClass,
    /// What happened, in plain words.
    pub meaning: &'static str,
    /// What to do.
    pub action: &'static str,
}

/// Our own code of a message that waited in the queue longer than `send_before`.
pub const EXPIRED: &str = "expired";

/// Looks a failure up by provider, code and (Kaleyra, LancePilot) the key inside the error; never fails, an unexplained code is `unknown`.
pub fn explain(provider: ProviderId, failure: &Failure) -> Explanation {
    let Some(code) = failure.code.as_deref().map(str::trim) else {
        return if failure.words().is_empty() {
            WITHOUT_WORDS
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
            .map(|entry| entry.explanation)
    };
    failure
        .key
        .as_deref()
        .and_then(|key| find(Some(provider), Some(key)))
        .or_else(|| find(Some(provider), None))
        .or_else(|| find(None, None))
        .or_else(|| explain_range(code))
        .unwrap_or(UNEXPLAINED)
}

/// Codes by which a provider refuses the account and not only the one message, in a reply or, later, in a report: every message after it would end the same way.
const ACCOUNT_REFUSALS: &[(ProviderId, &[&str])] =
    &[(Kaleyra, &["RBC001", "E110", "WAV2101", "WA401", "WA-401"])];

/// Whether a failure says that the provider refuses the whole account.
pub fn refuses_account(provider: ProviderId, failure: &Failure) -> bool {
    let code = failure.code.as_deref().map(str::trim);
    ACCOUNT_REFUSALS
        .iter()
        .any(|(of, codes)| *of == provider && codes.iter().any(|known| Some(*known) == code))
}

/// What can be said of failures that are alike only in that none has a code.
pub const WITHOUT_CODE: Explanation = Explanation {
    class: FailureClass::Unknown,
    meaning: "No code was given; the words are all that is known.",
    action: "Read the words and the raw callback or attempt; ask the provider with the message's id.",
};

const WITHOUT_WORDS: Explanation = Explanation {
    class: FailureClass::Unknown,
    meaning: "Nobody said why: neither a code nor words were given.",
    action: "Read the raw callback or attempt; ask the provider with the message's id.",
};

const UNEXPLAINED: Explanation = Explanation {
    class: FailureClass::Unknown,
    meaning: "A code that is in none of the documentation we read.",
    action: "Ask the provider what it means, with the message's id.",
};

/// Whole ranges that Meta and HTTP document: permissions, redirects, and the rest of the 4xx.
fn explain_range(code: &str) -> Option<Explanation> {
    match code.parse().ok()? {
        200..300 => Some(PERMISSION),
        300..400 => Some(REDIRECT),
        400..500 => Some(REQUEST_REFUSED),
        500..600 => Some(PROVIDER_TROUBLE),
        _ => None,
    }
}

const PERMISSION: Explanation = Explanation {
    class: FailureClass::Account,
    meaning: "The account lacks a permission that this needs.",
    action: "Check the number's permissions in the provider's console, then resend.",
};
const REDIRECT: Explanation = Explanation {
    class: FailureClass::Account,
    meaning: "The provider's address answered with a redirect, which is never followed.",
    action: "Correct base_url or region; the Location that it named is in the detail.",
};
const REQUEST_REFUSED: Explanation = Explanation {
    class: FailureClass::Provider,
    meaning: "The provider refused the request.",
    action: "Read the provider's words; correct what they name, then resend.",
};
const PROVIDER_TROUBLE: Explanation = Explanation {
    class: FailureClass::Provider,
    meaning: "The provider has trouble of its own.",
    action: "Look at its status page; resend once it has recovered.",
};

/// One row: which codes, of which provider (none: WhatsApp's own, at any provider), beside which key.
#[derive(Clone, Copy)]
struct Entry {
    provider: Option<ProviderId>,
    codes: &'static [&'static str],
    key: Option<&'static str>,
    explanation: Explanation,
}

const fn whatsapp(
    codes: &'static [&'static str],
    class: FailureClass,
    meaning: &'static str,
    action: &'static str,
) -> Entry {
    Entry {
        provider: None,
        codes,
        key: None,
        explanation: Explanation {
            class,
            meaning,
            action,
        },
    }
}

const fn of(provider: ProviderId, key: Option<&'static str>, entry: Entry) -> Entry {
    Entry {
        provider: Some(provider),
        codes: entry.codes,
        key,
        explanation: entry.explanation,
    }
}

#[rustfmt::skip]
static TABLE: &[Entry] = &[
    // Kaleyra's own, in replies and "not sent" reports
    of(Kaleyra, None, whatsapp(&["RBC001"], Account, "Kaleyra does not know this SID with this API key.", "Correct sid and api_key in the account's configuration; resume the account if it is paused, then resend this message.")),
    of(Kaleyra, None, whatsapp(&["E110"], Account, "Kaleyra's balance is too low.", "Top up the balance at Kaleyra; resume the account if it is paused, then resend this message.")),
    of(Kaleyra, None, whatsapp(&["WAV2101"], Account, "The account's daily limit at Kaleyra is reached.", "Wait until the limit resets the next day, or ask Kaleyra for a higher one; resume the account if it is paused, then resend this message.")),
    of(Kaleyra, Some("payload"), whatsapp(&["WA400"], Provider, "Kaleyra did not take the form of the request.", "Compare the attempt with Kaleyra's documentation; correct sender, number or media, then resend.")),
    of(Kaleyra, None, whatsapp(&["WA400"], Provider, "Kaleyra found something in the request that it does not take.", "Correct the field that its words name, then resend.")),
    of(Kaleyra, Some("phone_number"), whatsapp(&["WA401"], Account, "The sender number is not there or belongs to another Kaleyra account.", "Correct the account's sender, with + and country code; resume the account if it is paused, then resend this message.")),
    of(Kaleyra, None, whatsapp(&["WA401"], Account, "Kaleyra does not let this account do this.", "Read Kaleyra's words; correct sender, sid or api_key; resume the account if it is paused, then resend this message.")),
    of(Kaleyra, Some("account"), whatsapp(&["WA-401"], Account, "This Kaleyra account may not use the WhatsApp API.", "Ask Kaleyra's support to open the API for the account; resume the account if it is paused, then resend this message.")),
    of(Kaleyra, Some("phone_number"), whatsapp(&["WA-401"], Account, "The sender number belongs to another version of Kaleyra's WhatsApp API.", "Ask Kaleyra to move the number to V2, or use another sender; resume the account if it is paused, then resend this message.")),
    of(Kaleyra, None, whatsapp(&["WA-401"], Account, "Kaleyra does not let this account do this.", "Read Kaleyra's words and ask its support; resume the account if it is paused, then resend this message.")),
    of(Kaleyra, None, whatsapp(&["WA500"], Provider, "Kaleyra had an internal error.", "It was tried again after 5, 10 and 15 minutes. Resend once Kaleyra has recovered.")),
    of(Kaleyra, None, whatsapp(&["E13001"], Provider, "Kaleyra's first API version found something in the request that it does not take.", "Correct what its words name, then resend.")),
    // The others say it with an HTTP status
    of(Sobot, None, whatsapp(&["400"], Provider, "Sobot found something in the request that it does not take.", "Its words name it, often the mobile number: correct it, then resend.")),
    of(Sobot, None, whatsapp(&["401"], Account, "Sobot does not know these keys. Generating new keys stops the old pair at once.", "Correct api_key and api_secret in the account's configuration; resume the account if it is paused, then resend this message.")),
    of(Sobot, None, whatsapp(&["403"], Account, "Sobot does not let these keys do this.", "Check in Sobot's console what the keys may do, then resend.")),
    of(Zixflow, None, whatsapp(&["400"], Provider, "Zixflow found invalid data in the request.", "Check phone_id, the number and the media address, then resend. Outside the 24-hour window a template is needed first.")),
    of(Zixflow, None, whatsapp(&["401"], Account, "Zixflow does not know this token.", "Correct token in the account's configuration; resume the account if it is paused, then resend this message.")),
    of(Zixflow, None, whatsapp(&["403"], Account, "Zixflow does not let this token do this.", "Check in Zixflow what the token may do and whether phone_id is its own, then resend.")),
    of(LancePilot, None, whatsapp(&["401"], Account, "LancePilot does not know this token.", "Correct token in the account's configuration; resume the account if it is paused, then resend this message.")),
    of(LancePilot, None, whatsapp(&["403"], Account, "This token may not use this workspace.", "Correct token and workspace in the account's configuration, then resend.")),
    of(LancePilot, None, whatsapp(&["404"], Account, "LancePilot knows no such workspace or contact.", "Check workspace in the account's configuration and whether the contact exists there, then resend.")),
    of(LancePilot, Some("file"), whatsapp(&["422"], Media, "LancePilot did not take the file.", "Give a jpg, png, mp4 or 3gp within the size limit at a public address, then resend.")),
    of(LancePilot, Some("number"), whatsapp(&["422"], Recipient, "LancePilot did not take the number.", "Correct the number with its country code, then resend.")),
    of(LancePilot, None, whatsapp(&["422"], Provider, "LancePilot found something in the request that it does not take.", "The detail names each field and why: correct it, then resend.")),
    whatsapp(&["401"], Account, "The provider does not know these keys.", "Correct the keys in the account's configuration; resume the account if it is paused, then resend this message."),
    whatsapp(&["403"], Account, "The provider does not let these keys do this.", "Check in the provider's console what the keys may do, then resend."),
    whatsapp(&["404"], Account, "The provider's address does not exist.", "Check base_url and the fixed parts of the account's configuration."),
    whatsapp(&["413"], Media, "The provider finds the file too large.", "Make the file smaller, then resend."),
    whatsapp(&["415"], Media, "The provider does not take this type of file.", "Convert it to JPEG, PNG or MP4 (H.264, AAC), then resend."),
    whatsapp(&["429"], Rate, "The provider asks for fewer messages at a time.", "Lower rate in the account's configuration, then resend."),
    // Our own
    whatsapp(&[UNREACHABLE], Provider, "The provider could not be reached, however often it was tried; nothing left this machine.", "Check the network, DNS and base_url, then resend: the customer has nothing."),
    whatsapp(&[EXPIRED], Expired, "It waited in the queue until the time allowed for handing it over (send_before) had run out, and was never handed over.", "Mend what held the account up, then resend if it is still of use."),
    // WhatsApp's, through any provider
    whatsapp(&["0", "190"], Account, "WhatsApp does not accept the provider's access token: it is invalid or expired.", "Reconnect the number in the provider's console or ask the provider, then resend."),
    whatsapp(&["3", "10", "131005"], Account, PERMISSION.meaning, PERMISSION.action),
    whatsapp(&["2", "131016"], Provider, "WhatsApp was down or overloaded for a while.", "Look at WhatsApp's status page; resend once it has recovered."),
    whatsapp(&["4", "80007", "130429"], Rate, "Too many messages went out from this account at once.", "Send more slowly: lower rate in the account's configuration, then resend."),
    whatsapp(&["100", "131008", "131009"], Provider, "WhatsApp found a parameter missing or invalid.", "Read the detail: correct the field it names, then resend."),
    whatsapp(&["368"], Policy, "WhatsApp has blocked the business number for a time for breaking its policies.", "See the reason in WhatsApp Manager and appeal there; do not resend before it is lifted."),
    whatsapp(&["470", "131047"], Window, "More than 24 hours have passed since the customer last wrote, so only templates may be sent.", "Send an approved template from the provider's console first; resend once the customer has answered."),
    whatsapp(&["1013", "1026"], Recipient, "The number is not on WhatsApp.", "Check the number with the customer."),
    whatsapp(&["130472"], Policy, "WhatsApp withheld it: the customer is in one of its experiments.", "Do not resend; reach the customer another way."),
    whatsapp(&["130497"], Policy, "The business may not write to customers in this country.", "Check which countries the WhatsApp account may message."),
    whatsapp(&["131000"], Provider, "WhatsApp failed for a reason that it does not name.", "Resend once; if it happens again, ask the provider."),
    whatsapp(&["131014"], Media, "WhatsApp could not fetch the media from its address.", "Open the address in a browser without signing in; mend it, then resend."),
    whatsapp(&["131021"], Recipient, "Sender and recipient are the same number.", "Send to another number."),
    whatsapp(&["131026"], Recipient, "It cannot be delivered: the number is not on WhatsApp, its owner has not accepted the terms, runs an old version or blocks the business.", "Check the number with the customer and ask them to update WhatsApp."),
    whatsapp(&["131030"], Account, "The number is not on the list of a test account.", "Add it to the allowed numbers, or leave test mode."),
    whatsapp(&["131031"], Account, "WhatsApp has locked the business account.", "See the reason in WhatsApp Manager and appeal there."),
    whatsapp(&["131037"], Account, "The sender's display name is not approved.", "Have the display name approved in WhatsApp Manager, then resend."),
    whatsapp(&["131042", "131044"], Account, "WhatsApp has no valid payment method or finds the account not eligible.", "Mend the payment settings in WhatsApp Manager, then resend."),
    whatsapp(&["131045"], Account, "The sender number is not registered correctly.", "Register the number again in the provider's console, then resend."),
    whatsapp(&["131048"], Policy, "Too many customers blocked or reported this sender, so WhatsApp limits it.", "Send less, and only to customers who expect it; see the quality rating in WhatsApp Manager."),
    whatsapp(&["131049"], Policy, "WhatsApp withheld it so that the customer does not get too much marketing.", "Wait at least 24 hours before resending; earlier attempts make it worse."),
    whatsapp(&["131050"], Policy, "The customer has stopped marketing messages from this business.", "Do not resend; respect the choice."),
    whatsapp(&["131051"], Media, "WhatsApp does not support this type of message.", "Send an image (JPEG, PNG) or a video (MP4, 3GP)."),
    whatsapp(&["131052"], Media, "WhatsApp could not download the media.", "Check that the address opens without signing in; resend once, then give another file."),
    whatsapp(&["131053"], Media, "WhatsApp could not take the media: its address did not answer, its type or codec is wrong, or it is too large.", "Read the detail: check the address, its Content-Type, the size, and for video H.264 with one AAC track; then resend."),
    whatsapp(&["131056"], Rate, "Too many messages went to this one customer in a short time.", "Wait a minute before resending."),
    whatsapp(&["131057"], Provider, "The WhatsApp account is in maintenance.", "Wait until it is over, then resend."),
    whatsapp(&["131062"], Recipient, "The customer is known by a user id only, which this message cannot be sent to.", "Ask the customer for the phone number."),
    whatsapp(&["131063"], Account, "Marketing templates are switched off for this account.", "Change it in WhatsApp Manager, then resend."),
    whatsapp(&["131064"], Account, "The account's limit for classifying templates is reached.", "Wait, or ask the provider."),
    whatsapp(&["132000", "132001", "132005", "132007", "132008", "132012", "132016", "132068", "132069"], Account, "Something is wrong with the template that was used.", "Mend the template in the provider's console, then send it again from there."),
    whatsapp(&["132015"], Account, "The template is paused because of its low quality.", "Wait until the pause is over or edit the template, then send it again."),
    whatsapp(&["133010"], Account, "The sender number is not registered with WhatsApp.", "Register the number in the provider's console, then resend."),
    whatsapp(&["133016"], Account, "The sender number was registered too often; WhatsApp holds it back.", "Wait until the time that WhatsApp names is over, then register once."),
    whatsapp(&["135000"], Provider, "WhatsApp failed for a reason that it does not name.", "Resend once; if it happens again, ask the provider."),
    whatsapp(&["137000"], Recipient, "The customer's identity key has changed, perhaps with a new phone.", "Make sure that the number is still the customer's, then resend."),
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

    /// Every code of `providers.md` §2.2 and §5.4 that is a failure, by class.
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
                let explanation = explain(Kaleyra, &failure(code, None));
                assert_eq!(explanation.class, *class, "{code}");
                assert!(explanation.meaning.ends_with('.'), "{code}");
                assert!(explanation.action.ends_with('.'), "{code}");
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
    fn only_what_pauses_an_account_asks_to_resume_it() {
        for entry in TABLE {
            for code in entry.codes {
                let pauses = *code == "401"
                    || entry
                        .provider
                        .is_some_and(|of| refuses_account(of, &failure(code, entry.key)));
                let asks = entry.explanation.action.contains("resume");
                assert_eq!(pauses, asks, "{:?} {code}", entry.provider);
            }
        }
    }

    #[test]
    fn the_key_inside_the_error_tells_two_meanings_apart() {
        let of_account = explain(Kaleyra, &failure("WA-401", Some("account")));
        let of_number = explain(Kaleyra, &failure("WA-401", Some("phone_number")));
        assert_ne!(of_account.meaning, of_number.meaning);
        assert_eq!(
            explain(LancePilot, &failure("422", Some("file"))).class,
            FailureClass::Media
        );
        assert_eq!(
            explain(LancePilot, &failure("422", Some("caption"))).class,
            FailureClass::Provider
        );
    }

    #[test]
    fn a_providers_own_code_means_nothing_elsewhere() {
        assert_eq!(
            explain(Sobot, &failure("RBC001", None)).class,
            FailureClass::Unknown
        );
        assert_eq!(
            explain(Sobot, &Failure::default()).class,
            FailureClass::Unknown
        );
    }

    #[test]
    fn no_code_stands_twice_in_the_table() {
        for (at, entry) in TABLE.iter().enumerate() {
            for later in &TABLE[at + 1..] {
                let same = entry.provider == later.provider && entry.key == later.key;
                let shared = entry.codes.iter().find(|code| later.codes.contains(code));
                assert!(!same || shared.is_none(), "{shared:?}");
            }
        }
    }
}
