//! The sentence about the rule of the fold that decided the state.

use crate::domain::delivery_state::{DeliveryState, QueueState, Stage};
use crate::domain::explanation::explain_input::ExplainInput;
use crate::domain::explanation::sentence_parts::{format_duration, format_instant};
use crate::domain::receipt::ReceiptEvent;

pub(super) fn rule(input: &ExplainInput<'_>) -> Option<String> {
    let delivery = input.delivery;
    let highest = delivery.highest().map_or("delivered", Stage::as_str);
    let text = match delivery.state {
        _ if delivery.conflict && input.is_marked_as_failed() => format!(
            "An operator marked it as failed, and `{highest}` was reported: a delivery takes precedence over a mark, because only the phone can report it. It is listed as a conflict; no action is needed."
        ),
        _ if delivery.conflict => {
            let failure = delivery.failure.as_ref().map(|shown| &shown.failure);
            let with = failure.map_or_else(String::new, |failure| input.with_code(failure));
            let other_number = input.receipts.iter().any(|receipt| {
                matches!(receipt.event, ReceiptEvent::Failure(_))
                    && input.names_other_recipient(receipt)
            });
            let about = if other_number {
                "names another number"
            } else {
                "may be about another device of the customer"
            };
            format!(
                "Both `failed`{with} and `{highest}` were reported: a delivery takes precedence in any order, because only the phone can report it; the failure {about}. It is listed as a conflict."
            )
        }
        DeliveryState::Delivered | DeliveryState::Read | DeliveryState::Played => {
            "The highest reported stage counts, in whatever order reports arrive.".to_owned()
        }
        DeliveryState::Failed => match delivery.highest() {
            Some(Stage::Sent | Stage::Submitted) => {
                format!("A failure takes precedence over `{highest}`.")
            }
            _ => "A failure counts unless a delivery is reported.".to_owned(),
        },
        DeliveryState::Sent | DeliveryState::Submitted => return deadline(input),
        DeliveryState::Uncertain if input.message.queue == QueueState::Done => {
            "Only unknown status words were reported, so the outcome is unknown.".to_owned()
        }
        DeliveryState::Uncertain => {
            "A message that may have been accepted is never repeated automatically: the customer could receive it twice, and it would be charged twice."
                .to_owned()
        }
        DeliveryState::Queued | DeliveryState::Sending | DeliveryState::Cancelled => return None,
    };
    Some(text)
}

fn deadline(input: &ExplainInput<'_>) -> Option<String> {
    let due = input.message.due_at?;
    let length = input.account.report_deadline;
    let length = length.map_or_else(String::new, |length| {
        format!(" of {}", format_duration(length))
    });
    let (state, ends) = if due <= input.now {
        ("overdue", "ended")
    } else {
        ("not overdue", "ends")
    };
    Some(format!(
        "It is {state}: the account's deadline{length} for the next report {ends} at {}.",
        format_instant(due)
    ))
}
