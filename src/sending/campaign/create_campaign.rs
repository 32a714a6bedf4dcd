//! Creates a campaign as a draft.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::db;
use crate::domain::audit_action::{Action, ActionKind, Actor};
use crate::domain::campaign::{
    Campaign, CampaignId, CampaignMedia, CampaignState, RecipientCounts,
};
use crate::domain::ids::MessageId;
use crate::domain::media::MediaKind;
use crate::domain::message_warning::MessageWarning;
use crate::domain::rfc3339;
use crate::domain::template::Template;
use crate::sending::accept::{Acceptor, InvalidField, MessageInput, TemplateInput};
use crate::sending::expiry_text::{self, GivenExpiry};
use crate::store::Store;
use crate::store::ledger::Ledger;

/// In characters.
const NAME_LIMIT: usize = 128;
/// Messages per second.
const HIGHEST_RATE: f64 = 1000.0;
/// One in about 17 minutes.
const LOWEST_RATE: f64 = 0.001;
/// Fits every account: the check of a campaign has no recipient yet.
const SAMPLE_RECIPIENT: &str = "+447700900123";
/// Stands for the media in the check of a campaign whose recipients each have their own.
const SAMPLE_IMAGE: &str = "https://media.example/sample.jpg";
const SAMPLE_VIDEO: &str = "https://media.example/sample.mp4";

/// The fields of a campaign as given, not validated.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct NewCampaign {
    pub account: String,
    pub name: String,
    pub kind: String,
    pub from: Option<String>,
    pub media: CampaignMedia,
    pub caption: Option<String>,
    pub template: Option<TemplateInput>,
    /// RFC 3339.
    pub send_at: Option<String>,
    /// RFC 3339, or a duration from the start such as `2h`.
    pub send_before: Option<String>,
    /// Messages per second.
    pub rate: Option<f64>,
}

#[derive(Debug, Error)]
pub enum CreateCampaignError {
    #[error("the campaign has invalid fields")]
    Invalid(Vec<InvalidField>),
    #[error("there is a campaign `{0}` already; choose another name")]
    Exists(CampaignId),
    #[error(transparent)]
    Store(#[from] db::Error),
}

#[derive(Clone, PartialEq, Debug)]
pub struct CreatedCampaign {
    pub campaign: Campaign,
    /// About its media.
    pub warnings: Vec<MessageWarning>,
}

pub async fn create(
    store: &Store,
    acceptor: &Acceptor,
    new: &NewCampaign,
    actor: Actor<'_>,
    now: DateTime<Utc>,
) -> Result<CreatedCampaign, CreateCampaignError> {
    let campaign = check(acceptor, new, now).map_err(CreateCampaignError::Invalid)?;
    let checked =
        acceptor.check_shared_media(&campaign.account, Some(campaign.kind), &campaign.media);
    let warnings = checked.await.map_err(CreateCampaignError::Invalid)?;
    let inserted = store
        .change(now, async |ledger: &mut Ledger| {
            let inserted = ledger.insert_campaign(&campaign).await?;
            if inserted {
                let action = Action {
                    account: Some(campaign.account.clone()),
                    detail: Some(campaign.id.to_string()),
                    ..Action::new(actor, ActionKind::CreateCampaign, now)
                };
                ledger.record_action(&action).await?;
            }
            Ok::<_, db::Error>(inserted)
        })
        .await?;
    if inserted {
        Ok(CreatedCampaign { campaign, warnings })
    } else {
        Err(CreateCampaignError::Exists(campaign.id))
    }
}

/// A name always has the same id, so that a campaign that is created again is found and sends
/// nothing twice. Names without ASCII letters and digits have a digest.
fn id_of_name(name: &str) -> Option<CampaignId> {
    CampaignId::from_name(name).or_else(|| {
        let digest = Sha256::digest(name);
        let first = digest.first_chunk().copied().unwrap_or_default();
        let id = format!("campaign-{:016x}", u64::from_be_bytes(first));
        id.parse().ok()
    })
}

/// The campaign that would be created.
pub fn check(
    acceptor: &Acceptor,
    new: &NewCampaign,
    now: DateTime<Utc>,
) -> Result<Campaign, Vec<InvalidField>> {
    let (template, mut errors) = check_message_fields(acceptor, new, now);
    let name = new.name.trim();
    let length = name.chars().count();
    if name.is_empty() {
        errors.push(InvalidField::new("name", "is missing"));
    } else if length > NAME_LIMIT {
        let message = format!("has {length} characters; at most {NAME_LIMIT} are allowed");
        errors.push(InvalidField::new("name", message));
    } else if name.chars().any(char::is_control) {
        errors.push(InvalidField::new("name", "contains a control character"));
    }
    let send_at = new.send_at.as_deref().and_then(|text| {
        let parsed = rfc3339::parse(text.trim());
        parsed
            .map_err(|error| errors.push(InvalidField::new("send_at", error.to_string())))
            .ok()
    });
    let (send_before, send_within) = match new.send_before.as_deref().map(str::trim) {
        None => (None, None),
        Some(text) => read_send_before(text, &mut errors),
    };
    if let (Some(from), Some(until)) = (send_at.or(Some(now)), send_before)
        && until <= from
    {
        let message = "is not after the start of the campaign";
        errors.push(InvalidField::new("send_before", message));
    }
    if let Some(rate) = new.rate
        && !(LOWEST_RATE..=HIGHEST_RATE).contains(&rate)
    {
        let message =
            format!("is {rate}; use messages per second, {LOWEST_RATE} to {HIGHEST_RATE}");
        errors.push(InvalidField::new("rate", message));
    }
    let (Ok(account), Ok(kind), Some(id), true) = (
        new.account.parse(),
        new.kind.parse::<MediaKind>(),
        id_of_name(name),
        errors.is_empty(),
    ) else {
        return Err(errors);
    };
    Ok(Campaign {
        id,
        name: name.to_owned(),
        account,
        kind,
        sender: new.from.clone(),
        media: new.media.clone(),
        caption: new.caption.clone(),
        template,
        state: CampaignState::Draft,
        send_at,
        send_before,
        send_within,
        rate: new.rate,
        next_slot_at: None,
        recipients: RecipientCounts::default(),
        rejections: None,
        created_at: now,
        started_at: None,
        finished_at: None,
    })
}

/// Applies the checks of a message to the fields that all messages of the campaign share.
fn check_message_fields(
    acceptor: &Acceptor,
    new: &NewCampaign,
    now: DateTime<Utc>,
) -> (Option<Template>, Vec<InvalidField>) {
    // Recipients may have their own.
    let without_media = new.media == CampaignMedia::default();
    let sample = match new.kind.parse() {
        Ok(MediaKind::Video) => SAMPLE_VIDEO,
        Ok(MediaKind::Image) | Err(_) => SAMPLE_IMAGE,
    };
    let input = MessageInput {
        account: new.account.clone(),
        from: new.from.clone(),
        to: SAMPLE_RECIPIENT.to_owned(),
        recipient_name: Some("Name".to_owned()),
        kind: new.kind.clone(),
        media_url: if without_media {
            Some(sample.to_owned())
        } else {
            new.media.url.clone()
        },
        media_id: new.media.id.clone(),
        mime_type: new.media.mime_type.clone(),
        caption: new.caption.clone(),
        template: new.template.clone(),
        ..MessageInput::default()
    };
    match acceptor.check(&input, MessageId::new(now)) {
        Ok((draft, _)) => (draft.template, Vec::new()),
        Err(mut errors) => {
            errors.retain(|error| {
                let about_recipient = matches!(error.field.as_str(), "to" | "name");
                let about_media = error.field == "media" || error.field.starts_with("media.");
                !(about_recipient || without_media && about_media)
            });
            (None, errors)
        }
    }
}

fn read_send_before(
    text: &str,
    errors: &mut Vec<InvalidField>,
) -> (Option<DateTime<Utc>>, Option<TimeDelta>) {
    match expiry_text::parse(text) {
        Ok(GivenExpiry::At(at)) => (Some(at), None),
        Ok(GivenExpiry::After(time)) => (None, Some(time)),
        Err(message) => {
            errors.push(InvalidField::new("send_before", message));
            (None, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_always_has_the_same_id() {
        // Another id in another version would send the same campaign again.
        for (name, id) in [
            ("दीवाली", "campaign-cab0358c118bef82"),
            ("Summer sale", "summer-sale"),
        ] {
            let made = id_of_name(name);
            assert_eq!(made.as_ref().map(CampaignId::as_str), Some(id), "{name}");
        }
        assert_ne!(id_of_name("दीवाली"), id_of_name("होली"));
    }
}
