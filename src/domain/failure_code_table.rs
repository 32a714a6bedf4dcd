//! The table of failure codes: class, meaning and action.
//!
//! Sources: the documentation linked in each provider's file, read on 2026-11-20.

use crate::domain::failure::FailureClass::{
    self, Account, Expired, Media, Policy, Provider, Rate, Recipient, Unknown, Window,
};
use crate::domain::failure::UNREACHABLE;
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
/// Our own code for a queued message that is not complete enough to be sent.
pub const UNSENDABLE: &str = "unsendable";

pub(super) const PERMISSION: CodeMeaning = CodeMeaning {
    class: FailureClass::Account,
    meaning: "The account lacks a required permission.",
    action: "Check the number's permissions in the provider's console, then resend.",
};

/// A table row. Without a provider, the codes are WhatsApp's own and valid for every provider.
#[derive(Clone, Copy)]
pub(super) struct CodeEntry {
    pub(super) provider: Option<ProviderId>,
    pub(super) codes: &'static [&'static str],
    pub(super) key: Option<&'static str>,
    pub(super) meaning: CodeMeaning,
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
pub(super) static TABLE: &[CodeEntry] = &[
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
    // The other providers report an HTTP status
    for_provider(Sobot, None, entry(&["400"], Provider, "Sobot rejected a field of the request.", "Its message names the field, often the mobile number: correct it, then resend.")),
    for_provider(Sobot, None, entry(&["401"], Account, "Sobot does not accept these keys. Generating new keys disables the old pair at once.", "Correct api_key and api_secret in the account's configuration; resume the account if it is paused, then resend this message.")),
    for_provider(Sobot, None, entry(&["403"], Account, "Sobot does not permit this for these keys.", "Check the permissions of the keys in Sobot's console; resume the account if it is paused, then resend this message.")),
    for_provider(Zixflow, None, entry(&["400"], Provider, "Zixflow rejected invalid data in the request.", "Check phone_id, the number and the media URL, then resend. Outside the 24-hour window a template is required first.")),
    for_provider(Zixflow, None, entry(&["401"], Account, "Zixflow does not accept this token.", "Correct token in the account's configuration; resume the account if it is paused, then resend this message.")),
    for_provider(Zixflow, None, entry(&["403"], Account, "Zixflow does not permit this for the token.", "Check the token's permissions in Zixflow and whether phone_id belongs to it; resume the account if it is paused, then resend this message.")),
    for_provider(LancePilot, None, entry(&["401"], Account, "LancePilot does not accept this token.", "Correct token in the account's configuration; resume the account if it is paused, then resend this message.")),
    for_provider(LancePilot, None, entry(&["403"], Account, "The token has no access to this workspace.", "Correct token and workspace in the account's configuration; resume the account if it is paused, then resend this message.")),
    for_provider(LancePilot, None, entry(&["404"], Account, "LancePilot has no such workspace or contact.", "Check workspace in the account's configuration, and whether the contact exists there; resume the account if it is paused, then resend this message.")),
    for_provider(LancePilot, Some("file"), entry(&["422"], Media, "LancePilot rejected the file.", "Use a jpg, png, mp4 or 3gp within the size limit at a public URL, then resend.")),
    for_provider(LancePilot, Some("number"), entry(&["422"], Recipient, "LancePilot rejected the number.", "Correct the number with its country code, then resend.")),
    for_provider(LancePilot, None, entry(&["422"], Provider, "LancePilot rejected a field of the request.", "The detail names each field and the reason: correct them, then resend.")),
    entry(&["401"], Account, "The provider does not accept these keys.", "Correct the keys in the account's configuration; resume the account if it is paused, then resend this message."),
    entry(&["403"], Account, "The provider does not permit this for these keys.", "Check the permissions of the keys in the provider's console; resume the account if it is paused, then resend this message."),
    entry(&["404"], Account, "The provider's URL does not exist.", "Check base_url and the fixed parts of the account's configuration."),
    entry(&["413"], Media, "The file is too large for the provider.", "Make the file smaller, then resend."),
    entry(&["415"], Media, "The provider does not support this file type.", "Convert it to JPEG, PNG or MP4 (H.264, AAC), then resend."),
    entry(&["429"], Rate, "The provider's rate limit was exceeded.", "Lower rate in the account's configuration, then resend."),
    // Our own
    entry(&[UNREACHABLE], Provider, "The provider could not be reached in any attempt; nothing was sent.", "Check the network, DNS and base_url, then resend: nothing was sent to the customer."),
    entry(&[EXPIRED], Expired, "It was queued longer than send_before allows and was never submitted.", "Fix what blocked the account, then resend if it is still useful."),
    entry(&[UNSENDABLE], Unknown, "What is stored of the message is not enough to send it; nothing was sent.", "See the detail; send it as a new message."),
    // WhatsApp's, through any provider
    entry(&["0", "190"], Account, "WhatsApp does not accept the provider's access token: it is invalid or expired.", "Reconnect the number in the provider's console or ask the provider, then resend."),
    entry(&["3", "10", "131005"], Account, PERMISSION.meaning, PERMISSION.action),
    entry(&["2", "131016"], Provider, "WhatsApp was temporarily down or overloaded.", "Check WhatsApp's status page; resend once it has recovered."),
    entry(&["4", "80007", "130429"], Rate, "This account sent too many messages in a short time.", "Send more slowly: lower rate in the account's configuration, then resend."),
    entry(&["100", "131008", "131009"], Provider, "A parameter is missing or invalid.", "See the detail: correct the field that it names, then resend."),
    entry(&["368"], Policy, "WhatsApp has temporarily blocked the business number for violating its policies.", "See the reason in WhatsApp Manager and appeal there; do not resend before the block is lifted."),
    entry(&["470", "131047"], Window, "More than 24 hours have passed since the customer last wrote, so only templates may be sent.", "Send an approved template, on the page Send or with the API; resend once the customer has answered."),
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
