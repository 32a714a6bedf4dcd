//! Whether `campaign send` may continue the campaign that has the same name.

use std::cmp::Ordering;

use crate::cli::command_error::CommandError;
use crate::domain::campaign::{Campaign, CampaignState};

/// Continues an existing campaign, unless an option asks for something else than it has.
pub(super) fn continue_with(
    known: Campaign,
    requested: &Campaign,
) -> Result<Campaign, CommandError> {
    let id = &known.id;
    if known.state == CampaignState::Cancelled {
        return Err(format!("campaign {id} was cancelled; choose another --name").into());
    }
    if known.name != requested.name {
        return Err(format!(
            "campaign {id} has the name `{}`; choose a --name that differs from it in Latin letters or digits",
            known.name
        )
        .into());
    }
    let differing = list_differences(&known, requested);
    if !differing.is_empty() {
        let differing = differing.join(", ");
        return Err(format!(
            "campaign {id} exists and differs in: {differing}; choose another --name"
        )
        .into());
    }
    Ok(known)
}

/// The properties that the options request and the campaign does not have. An option that was not given
/// requests nothing.
fn list_differences(known: &Campaign, requested: &Campaign) -> Vec<&'static str> {
    fn is_changed<T: PartialOrd>(known: Option<&T>, requested: Option<&T>) -> bool {
        requested
            .is_some_and(|requested| known.partial_cmp(&Some(requested)) != Some(Ordering::Equal))
    }
    let send_before = is_changed(known.send_before.as_ref(), requested.send_before.as_ref())
        || is_changed(known.send_within.as_ref(), requested.send_within.as_ref());
    let differences = [
        ("account", known.account != requested.account),
        ("kind", known.kind != requested.kind),
        ("media", known.media != requested.media),
        ("caption", known.caption != requested.caption),
        ("template", known.template != requested.template),
        (
            "from",
            is_changed(known.sender.as_ref(), requested.sender.as_ref()),
        ),
        (
            "rate",
            is_changed(known.rate.as_ref(), requested.rate.as_ref()),
        ),
        (
            "send_at",
            is_changed(known.send_at.as_ref(), requested.send_at.as_ref()),
        ),
        ("send_before", send_before),
    ];
    let differing = differences.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(name, _)| name).collect()
}
