//! Rows of a message page: attempts, details and provider ids.

use crate::domain::campaign::CampaignId;
use crate::domain::cost::{Cost, CostBasis};
use crate::domain::ids::ProviderMessageId;
use crate::domain::message::Message;
use crate::domain::provider::ProviderId;
use crate::domain::receipt::Pricing;
use crate::domain::scope::Visibility;
use crate::domain::template::Template;
use crate::reporting::number_format::counted;
use crate::store::attempts::Attempt;
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::visible_text::{visible_block, visible_line};

#[derive(Clone, Debug)]
pub(super) struct AttemptRow {
    pub(super) number: i32,
    pub(super) at: TimeElement,
    pub(super) outcome: String,
    pub(super) status: String,
    pub(super) duration: String,
    pub(super) detail: Option<String>,
    pub(super) request: Option<String>,
    pub(super) reply: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct IdRow {
    pub(super) text: String,
    /// Whose id it is: `WhatsApp` or the provider.
    pub(super) kind: &'static str,
}

pub(super) fn attempt_row(attempt: &Attempt, viewer: Visibility) -> AttemptRow {
    let shown = |text: &str| match viewer {
        Visibility::Full => Some(visible_block(text)),
        Visibility::Masked => None,
    };
    AttemptRow {
        number: attempt.number,
        at: TimeElement::new(attempt.started_at),
        outcome: attempt.outcome.as_str().to_owned(),
        status: attempt
            .http_status
            .map_or_else(|| "–".to_owned(), |status| status.to_string()),
        duration: attempt
            .duration_ms
            .map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms")),
        detail: attempt.detail.as_deref().map(|text| viewer.quoted(text)),
        request: shown(&attempt.request),
        reply: attempt.reply.as_deref().and_then(shown),
    }
}

pub(super) fn details(
    message: &Message,
    pricing: &Pricing,
    cost: &Cost,
    reply_word: Option<&str>,
    viewer: Visibility,
) -> Vec<(&'static str, String)> {
    let references = &message.references;
    let line = |text: &Option<String>| text.as_deref().map(visible_line);
    let media = message.media.as_ref();
    let template = message.template.as_ref();
    [
        (
            "From",
            message.sender.as_deref().map(|text| viewer.phone(text)),
        ),
        ("Kind", message.kind.map(|kind| kind.as_str().to_owned())),
        ("Type", media.and_then(|media| line(&media.mime_type))),
        (
            "Caption",
            media
                .and_then(|media| media.caption.as_deref())
                .map(|text| viewer.personal(text)),
        ),
        ("Template", template.map(template_line)),
        (
            "Variables",
            template
                .filter(|template| !template.body.is_empty())
                .map(|template| viewer.personal(&template.body.join(" · "))),
        ),
        (
            "Buttons",
            template
                .filter(|template| !template.buttons.is_empty())
                .map(|template| viewer.personal(&button_line(template))),
        ),
        ("ref", line(&references.reference)),
        ("ref1", line(&references.reference1)),
        ("ref2", line(&references.reference2)),
        ("Client reference", line(&message.client_reference)),
        (
            "Campaign",
            message.campaign.as_ref().map(CampaignId::to_string),
        ),
        ("wa_source", line(&message.options.wa_source)),
        ("source", line(&message.options.source)),
        (
            "linkWithRecord",
            message
                .options
                .link_with_record
                .map(|link| link.to_string()),
        ),
        (
            "Billable",
            pricing
                .is_charged(message.state)
                .map(|billable| if billable { "yes" } else { "no" }.to_owned()),
        ),
        ("Pricing", line(&pricing.category)),
        ("Pricing type", line(&pricing.kind)),
        ("Price", line(&pricing.price)),
        ("Currency", line(&pricing.currency)),
        ("Cost", cost_line(cost)),
        (
            "Status in the reply",
            reply_word.map(|word| viewer.quoted(word)),
        ),
    ]
    .into_iter()
    .filter_map(|(label, value)| Some((label, value?)))
    .collect()
}

/// Absent while nothing is charged.
fn cost_line(cost: &Cost) -> Option<String> {
    let amount = || {
        let currency = cost.currency.as_deref().unwrap_or_default();
        let amount = cost.amount.unwrap_or_default();
        format!("{currency} {amount}").trim_start().to_owned()
    };
    match cost.basis {
        CostBasis::Reported => Some(format!("{}, reported by the provider", amount())),
        CostBasis::Estimated => Some(format!("{}, estimated from the rates", amount())),
        CostBasis::Free => Some("free".to_owned()),
        CostBasis::Unknown => Some("unknown: no rate fits".to_owned()),
        CostBasis::None => None,
    }
}

/// Name and language.
fn template_line(template: &Template) -> String {
    let name = visible_line(&template.name);
    match &template.language {
        Some(language) => format!("{name} ({})", visible_line(language)),
        None => name,
    }
}

fn button_line(template: &Template) -> String {
    let buttons: Vec<String> = template
        .buttons
        .iter()
        .map(|button| format!("{} {}: {}", button.kind, button.index, button.value))
        .collect();
    buttons.join(" · ")
}

pub(super) fn id_row(id: &ProviderMessageId, provider: ProviderId, viewer: Visibility) -> IdRow {
    IdRow {
        text: viewer.provider_id(id),
        kind: if id.is_wamid() {
            "WhatsApp"
        } else {
            provider.title()
        },
    }
}

/// `3 attempts`, for headings.
pub(super) fn attempts_label(attempts: &[Attempt]) -> String {
    let number = u64::try_from(attempts.len()).unwrap_or(u64::MAX);
    counted(number, "attempt", "attempts")
}
