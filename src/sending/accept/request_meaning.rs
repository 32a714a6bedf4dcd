//! Compares requests with one idempotency key by meaning, not by bytes: order of keys, white space,
//! escapes and the notation of a number make no difference.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::domain::campaign::CampaignId;
use crate::domain::media::{Media, MediaSource};
use crate::domain::message::{MessageDraft, References, SendOptions};
use crate::domain::template::Template;
use crate::sending::accept::message_input::MessageInput;

/// Distinguishes these hashes from those of bodies, which earlier versions stored.
const VERSION: &str = "2:";

/// Does not depend on the configuration, such as the account's mode or first sender, so that a
/// repeated request is recognised after a change. The exception is a number without country code,
/// which depends on `default_country`.
pub(super) fn hash_meaning(input: &MessageInput, draft: &MessageDraft) -> String {
    // Destructured, so that a new field of a message does not compile until it is considered here.
    let MessageDraft {
        account: _,
        provider: _,
        origin: _,
        sender,
        recipient,
        name,
        media,
        references,
        client_reference,
        options,
        campaign,
        template,
        resend_of: _,
    } = draft;
    let Media {
        kind,
        source,
        mime_type,
        caption,
    } = media;
    let References {
        reference,
        reference1,
        reference2,
    } = references;
    let SendOptions {
        wa_source,
        source: link_source,
        link_with_record,
    } = options;
    let upload = input.upload.as_ref().map(|upload| &upload.sha256);
    let source = match source {
        MediaSource::Url(url) => json!(["url", url]),
        MediaSource::Id(id) => json!(["id", id]),
        MediaSource::Upload(_) => json!(["file", upload]),
    };
    let template = template.as_ref().map(|template| {
        let Template {
            name,
            language,
            body,
            buttons,
        } = template;
        let buttons: Vec<_> = buttons
            .iter()
            .map(|button| json!([button.kind.as_str(), button.index, button.value]))
            .collect();
        json!([name, language, body, buttons])
    });
    let mut meaning = vec![
        json!(sender.as_ref().filter(|_| input.from.is_some())),
        json!(recipient.digits()),
        json!(name),
        json!([kind.as_str(), source, mime_type, caption]),
        json!([reference, reference1, reference2, client_reference]),
        json!([wa_source, link_source, link_with_record]),
        json!([campaign.as_ref().map(CampaignId::as_str), template]),
    ];
    // Earlier versions did not have this field.
    meaning.extend(input.send_before.as_ref().map(|text| json!(text.trim())));
    let meaning = Value::from(meaning);
    let hash = Sha256::digest(meaning.to_string());
    format!("{VERSION}{}", URL_SAFE_NO_PAD.encode(hash))
}
