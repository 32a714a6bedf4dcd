//! The fold: its result does not depend on the order, repetition and batching of receipts.

use crate::harness::generator::cases;
use bluetick::domain::delivery::{Delivery, fold};
use bluetick::domain::delivery_state::{DeliveryState, QueueState, Stage};
use bluetick::domain::failure::Failure;
use bluetick::domain::receipt::{Pricing, Receipt, ReceiptEvent, SourceKind};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use uuid::Uuid;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_600_000 + second, 0).unwrap()
}

fn receipt(event: ReceiptEvent, occurred: Option<i64>, received: i64) -> Receipt {
    Receipt {
        source_kind: SourceKind::Callback,
        source: Uuid::from_u128(1),
        part: 0,
        event,
        occurred_at: occurred.map(at),
        zone_assumed: false,
        received_at: at(received),
        recipient: None,
        pricing: Pricing::default(),
    }
}

fn stage(stage: Stage, occurred: Option<i64>, received: i64) -> Receipt {
    receipt(ReceiptEvent::Stage(stage), occurred, received)
}

fn failure(code: Option<&str>, title: &str, occurred: Option<i64>, received: i64) -> Receipt {
    receipt(
        ReceiptEvent::Failure(Failure {
            code: code.map(ToOwned::to_owned),
            title: Some(title.to_owned()),
            ..Failure::default()
        }),
        occurred,
        received,
    )
}

fn folded(receipts: &[Receipt]) -> Delivery {
    fold(QueueState::Done, Some(at(0)), receipts)
}

#[test]
fn a_late_sent_receipt_does_not_undo_delivered() {
    let delivery = folded(&[
        stage(Stage::Delivered, Some(20), 21),
        stage(Stage::Sent, Some(10), 90),
    ]);
    assert_eq!(delivery.state, DeliveryState::Delivered);
    assert_eq!(delivery.stage(Stage::Sent).unwrap().at, at(10));
}

#[test]
fn read_without_delivered_implies_it_at_the_same_time() {
    let delivery = folded(&[stage(Stage::Read, Some(30), 31)]);
    let implied = delivery.stage(Stage::Delivered).unwrap();
    assert!(implied.implied);
    assert_eq!((implied.at, implied.count), (at(30), 0));
    assert_eq!(delivery.state, DeliveryState::Read);
    assert!(delivery.stage(Stage::Played).is_none());
    assert!(!delivery.stage(Stage::Queued).unwrap().implied);
}

#[test]
fn queued_is_never_implied() {
    let delivery = fold(QueueState::Done, None, &[stage(Stage::Read, None, 31)]);
    assert!(delivery.stage(Stage::Queued).is_none());
    assert!(delivery.stage(Stage::Submitted).unwrap().inferred);
}

#[test]
fn failed_and_delivered_is_delivered_with_a_conflict_in_either_order() {
    let failed = failure(Some("131026"), "undeliverable", Some(5), 6);
    let delivered = stage(Stage::Delivered, Some(7), 8);
    for receipts in [
        [failed.clone(), delivered.clone()],
        [delivered.clone(), failed.clone()],
    ] {
        let delivery = folded(&receipts);
        assert_eq!(delivery.state, DeliveryState::Delivered);
        assert!(delivery.conflict);
    }
    let sent = folded(&[stage(Stage::Sent, Some(4), 4), failed]);
    assert_eq!(sent.state, DeliveryState::Failed);
    assert!(!sent.conflict);
}

#[test]
fn the_failure_with_a_code_is_shown_then_the_latest_then_the_greatest_text() {
    let shown = |receipts: &[Receipt]| folded(receipts).failure.unwrap().failure;
    let with_code = failure(Some("131053"), "media", Some(5), 6);
    let without = failure(None, "gone", Some(50), 51);
    let later = failure(Some("131026"), "undeliverable", Some(9), 10);
    let greater = failure(Some("131026"), "very", Some(9), 10);
    assert_eq!(
        shown(&[without.clone(), with_code.clone()]).code.unwrap(),
        "131053"
    );
    assert_eq!(
        shown(&[later.clone(), with_code.clone()]).code.unwrap(),
        "131026"
    );
    assert_eq!(shown(&[greater, later]).title.unwrap(), "very");
    let mark = Receipt {
        source_kind: SourceKind::Action,
        ..failure(Some("999"), "marked", Some(99), 99)
    };
    assert_eq!(shown(&[mark, with_code]).code.unwrap(), "131053");
}

#[test]
fn a_reported_time_takes_precedence_and_an_implausible_one_counts_as_absent() {
    let delivery = folded(&[
        stage(Stage::Read, None, 10),
        stage(Stage::Read, Some(40), 41),
        stage(Stage::Read, Some(30), 99),
    ]);
    let read = delivery.stage(Stage::Read).unwrap();
    assert_eq!((read.at, read.inferred, read.count), (at(30), false, 3));
    for nonsense in [-1_763_600_000, 50 + 301, 2 * 86_400] {
        let read = folded(&[stage(Stage::Read, Some(nonsense), 50)])
            .stage(Stage::Read)
            .unwrap();
        assert_eq!((read.at, read.inferred), (at(50), true));
    }
    // Earlier than our own send is legal.
    assert!(
        !folded(&[stage(Stage::Read, Some(-500), 50)])
            .stage(Stage::Read)
            .unwrap()
            .inferred
    );
}

#[test]
fn the_price_is_that_of_the_lowest_stage() {
    let priced = |at_stage, price: &str| Receipt {
        pricing: Pricing {
            price: Some(price.to_owned()),
            ..Pricing::default()
        },
        ..stage(at_stage, Some(5), 6)
    };
    let delivery = folded(&[priced(Stage::Read, "0.10"), priced(Stage::Sent, "0.78")]);
    assert_eq!(delivery.pricing.price.as_deref(), Some("0.78"));
}

#[test]
fn an_unknown_word_changes_nothing() {
    let other = receipt(ReceiptEvent::Other("teleported".to_owned()), Some(5), 6);
    for queue in QueueState::ALL {
        let without = fold(queue, Some(at(0)), &[stage(Stage::Sent, Some(1), 2)]);
        let with = fold(
            queue,
            Some(at(0)),
            &[other.clone(), stage(Stage::Sent, Some(1), 2)],
        );
        assert_eq!(without, with);
    }
}

#[test]
fn a_receipt_takes_precedence_over_the_queue_state() {
    for queue in QueueState::ALL {
        let delivery = fold(queue, Some(at(0)), &[stage(Stage::Submitted, Some(1), 2)]);
        assert_eq!(delivery.state, DeliveryState::Submitted);
    }
}

fn any_receipt() -> impl Strategy<Value = Receipt> {
    let text = || prop::option::of(prop::sample::select(vec!["a".to_owned(), "b".to_owned()]));
    let event = prop_oneof![
        4 => prop::sample::select(Stage::ALL[1..].to_vec()).prop_map(ReceiptEvent::Stage),
        2 => (text(), text(), text()).prop_map(|(code, title, detail)| ReceiptEvent::Failure(Failure {
            code, title, detail, key: None,
        })),
        1 => Just(ReceiptEvent::Other("x".to_owned())),
        1 => Just(ReceiptEvent::Notice("payment: failed".to_owned())),
    ];
    let occurred = prop_oneof![
        Just(None),
        (0_i64..6).prop_map(|second| Some(at(second))),
        Just(DateTime::from_timestamp(5, 0)),
        Just(Some(at(400_000_000))),
    ];
    let kind = prop::sample::select(vec![
        SourceKind::Callback,
        SourceKind::Attempt,
        SourceKind::Action,
    ]);
    let pricing = (prop::option::of(any::<bool>()), text(), text(), text()).prop_map(
        |(billable, category, model, price)| Pricing {
            billable,
            category,
            model,
            price,
            ..Pricing::default()
        },
    );
    (event, occurred, 0_i64..6, kind, any::<u128>(), pricing).prop_map(
        |(event, occurred_at, received, source_kind, source, pricing)| Receipt {
            source_kind,
            source: Uuid::from_u128(source),
            part: 0,
            event,
            occurred_at,
            zone_assumed: false,
            received_at: at(received),
            recipient: None,
            pricing,
        },
    )
}

/// Gives each receipt its own source.
fn numbered(mut receipts: Vec<Receipt>) -> Vec<Receipt> {
    for (number, receipt) in (1_u128..).zip(&mut receipts) {
        receipt.source = Uuid::from_u128(number);
    }
    receipts
}

/// Removes what depends on how often a receipt was repeated.
fn without_counts(delivery: Delivery) -> Delivery {
    let mut delivery = delivery;
    for reached in delivery.stages.iter_mut().flatten() {
        reached.count = reached.count.min(1);
    }
    if let Some(failure) = &mut delivery.failure {
        failure.count = 1;
    }
    delivery
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn order_does_not_matter(
        (receipts, shuffled) in prop::collection::vec(any_receipt(), 0..8)
            .prop_flat_map(|receipts| (Just(receipts.clone()), Just(receipts).prop_shuffle())),
        queue in prop::sample::select(QueueState::ALL.to_vec()),
        queued in prop::option::of(0_i64..6),
    ) {
        let queued_at = queued.map(at);
        prop_assert_eq!(fold(queue, queued_at, &receipts), fold(queue, queued_at, &shuffled));
    }

    #[test]
    fn repetition_is_harmless(
        receipts in prop::collection::vec(any_receipt(), 1..6),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        late in 0_i64..1000,
    ) {
        let mut repeated = receipts.clone();
        for index in again {
            let mut repeat = index.get(&receipts).clone();
            // A repeat of a receipt with a reported time may arrive any time later.
            if repeat.plausible_time().is_some() {
                repeat.received_at += TimeDelta::seconds(late);
            }
            repeat.source = Uuid::from_u128(repeat.source.as_u128().wrapping_add(1));
            repeated.push(repeat);
        }
        prop_assert_eq!(without_counts(folded(&receipts)), without_counts(folded(&repeated)));
    }

    #[test]
    fn batches_in_any_order_with_repeats_give_the_same_result_as_one_batch(
        receipts in prop::collection::vec(any_receipt(), 1..9),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..24),
        batch in 1_usize..5,
        queue in prop::sample::select(QueueState::ALL.to_vec()),
    ) {
        let receipts = numbered(receipts);
        // Every receipt once, in the order of the draw, and again as often as it was drawn.
        let drawn = order.iter().map(|index| index.get(&receipts)).chain(&receipts);
        let received: Vec<&Receipt> = drawn.collect();
        // In arrival order.
        let mut kept: Vec<Receipt> = Vec::new();
        let mut parts = None;
        for batch in received.chunks(batch) {
            // A repeated source adds nothing: receipts are keyed by source and part.
            for receipt in batch {
                let is_known = kept
                    .iter()
                    .any(|known| (known.source, known.part) == (receipt.source, receipt.part));
                if !is_known {
                    kept.push((*receipt).clone());
                }
            }
            parts = Some(fold(queue, Some(at(0)), &kept));
        }
        prop_assert_eq!(parts, Some(fold(queue, Some(at(0)), &receipts)));
    }

    #[test]
    fn the_order_of_any_two_batches_does_not_matter(
        receipts in prop::collection::vec(any_receipt(), 0..10),
        cut in any::<prop::sample::Index>(),
        queue in prop::sample::select(QueueState::ALL.to_vec()),
    ) {
        let (first, second) = receipts.split_at(cut.index(receipts.len() + 1));
        let swapped = [second, first].concat();
        prop_assert_eq!(fold(queue, Some(at(0)), &receipts), fold(queue, Some(at(0)), &swapped));
    }

    #[test]
    fn more_receipts_never_lower_the_highest_stage(
        receipts in prop::collection::vec(any_receipt(), 0..6),
        more in any_receipt(),
    ) {
        let before = folded(&receipts).highest();
        let mut after = receipts;
        after.push(more);
        prop_assert!(folded(&after).highest() >= before);
    }
}
