//! Each fault alone, and faults together.

use std::collections::BTreeSet;

use chrono::DateTime;

use super::*;
use crate::domain::media::MediaKind;
use crate::domain::provider::ProviderId;
use crate::simulator::fault_rates::FAULTS;

fn message(ordinal: u64) -> AcceptedMessage {
    AcceptedMessage {
        provider: ProviderId::Sobot,
        ordinal,
        kind: MediaKind::Image,
        recipient: "919812300001".to_owned(),
        name: None,
        sender: "919000000001".to_owned(),
        media: String::new(),
        references: Default::default(),
        report_url: None,
        reply_ids: Vec::new(),
        wamid: "wamid.A".to_owned(),
        second_id: String::new(),
        shared_id: String::new(),
        at: DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
    }
}

fn plan(kinds: &[EventKind]) -> Vec<PlannedEvent> {
    (1..)
        .zip(kinds)
        .map(|(second, kind)| PlannedEvent {
            kind: *kind,
            after: Duration::from_secs(second),
            at: Some(message(1).at),
        })
        .collect()
}

const READ: [EventKind; 3] = [EventKind::Sent, EventKind::Delivered, EventKind::Read];

fn with_fault(fault: &str, share: f64, ordinal: u64) -> Vec<PlannedCallback> {
    let mut rates = FaultRates::none();
    let (_, rate) = FAULTS.iter().find(|(name, _)| *name == fault).unwrap();
    *rate(&mut rates).0 = share;
    apply_faults(&rates, 1, &message(ordinal), plan(&READ))
}

#[test]
fn without_faults_the_plan_is_unchanged() {
    let planned = apply_faults(&FaultRates::none(), 1, &message(1), plan(&READ));
    let events: Vec<PlannedEvent> = planned
        .iter()
        .flat_map(|callback| callback.events.clone())
        .collect();
    assert_eq!(events, plan(&READ));
    assert!(
        planned
            .iter()
            .all(|one| one.copies == 1 && !one.corrupt && !one.before_reply)
    );
}

#[test]
fn every_fault_changes_something() {
    let without_faults = apply_faults(&FaultRates::none(), 1, &message(3), plan(&READ));
    for (name, _) in FAULTS {
        if name == "delivered-after-failed" {
            continue;
        }
        let changed = (1..9).any(|ordinal| with_fault(name, 1.0, ordinal) != without_faults);
        assert!(changed, "{name}");
    }
}

#[test]
fn contradictions_come_in_both_directions() {
    let after_delivered = with_fault("failed-after-delivered", 1.0, 1);
    let last = after_delivered.last().unwrap().events[0].kind;
    assert!(matches!(last, EventKind::Failed(_)));

    let rates = FaultRates {
        delivered_after_failed: 1.0,
        ..FaultRates::none()
    };
    let failed = plan(&[EventKind::Failed(
        &crate::simulator::failure_reason::OPTED_OUT,
    )]);
    let planned = apply_faults(&rates, 1, &message(1), failed);
    assert_eq!(planned[1].events[0].kind, EventKind::Delivered);
}

#[test]
fn reordering_keeps_every_callback_and_due_time() {
    let due_times = |planned: &[PlannedCallback]| {
        let after = planned.iter().map(|callback| callback.after);
        after.collect::<BTreeSet<_>>()
    };
    let without_faults = apply_faults(&FaultRates::none(), 1, &message(1), plan(&READ));
    for ordinal in 1..20 {
        let planned = with_fault("reorder", 1.0, ordinal);
        assert_eq!(planned.len(), 3);
        assert_eq!(due_times(&planned), due_times(&without_faults));
    }
}

#[test]
fn a_fault_does_not_change_the_random_numbers_of_another() {
    let copies = |rates: &FaultRates| {
        let planned = apply_faults(rates, 1, &message(4), plan(&READ));
        planned.iter().map(|one| one.copies).collect::<Vec<_>>()
    };
    let alone = FaultRates {
        duplicate: 0.5,
        ..FaultRates::none()
    };
    let with_others = FaultRates {
        skewed_clocks: 1.0,
        missing_timestamps: 0.5,
        reorder: 1.0,
        ..alone
    };
    assert_eq!(copies(&alone), copies(&with_others));
}
