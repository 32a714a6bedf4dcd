//! Tests of the parent module: who has which id, and since when.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

const OLD: &str = "447700900001";
const NEW: &str = "447700900002";
const ADA: &str = "GB.10000000001";
const ADA_PARENT: &str = "GB.ENT.10000000001";
const BEN: &str = "GB.20000000002";

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::hours(hours)
}

fn link(one: &str, kind: LinkKind, other: &str, hours: i64) -> (IdLink, DateTime<Utc>) {
    let (one, other) = if kind == LinkKind::Same && one > other {
        (other, one)
    } else {
        (one, other)
    };
    let link = IdLink {
        account: "a".parse().unwrap(),
        identity: one.to_owned(),
        other: other.to_owned(),
        kind,
    };
    (link, at(hours))
}

fn same(one: &str, other: &str, hours: i64) -> (IdLink, DateTime<Utc>) {
    link(one, LinkKind::Same, other, hours)
}

fn changed(old: &str, new: &str, hours: i64) -> (IdLink, DateTime<Utc>) {
    link(old, LinkKind::Changed, new, hours)
}

fn held(
    identity: &str,
    links: &[(IdLink, DateTime<Utc>)],
) -> Vec<(String, Option<i64>, Option<i64>)> {
    let hours =
        |instant: Option<DateTime<Utc>>| instant.map(|instant| (instant - at(0)).num_hours());
    find_held_ids(identity, links)
        .into_iter()
        .map(|held| (held.identity, hours(held.from), hours(held.until)))
        .collect()
}

fn always(identity: &str) -> (String, Option<i64>, Option<i64>) {
    (identity.to_owned(), None, None)
}

#[test]
fn a_phone_a_user_id_and_a_parent_id_are_one_person() {
    let links = [same(OLD, ADA, 0), same(ADA, ADA_PARENT, 5)];
    for identity in [OLD, ADA, ADA_PARENT] {
        let all = [always(OLD), always(ADA), always(ADA_PARENT)];
        assert_eq!(held(identity, &links), all, "{identity}");
    }
    assert_eq!(held(NEW, &links), []);
}

#[test]
fn a_changed_number_belongs_to_the_person_only_until_the_change() {
    let links = [changed(OLD, NEW, 10)];
    let expected = [
        (OLD.to_owned(), None, Some(10)),
        (NEW.to_owned(), Some(10), None),
    ];
    for identity in [OLD, NEW] {
        assert_eq!(held(identity, &links), expected, "{identity}");
    }
}

#[test]
fn a_number_that_is_given_to_another_customer_does_not_join_their_histories() {
    let links = [
        same(OLD, ADA, 0),
        changed(OLD, NEW, 10),
        same(NEW, ADA, 11),
        same(OLD, BEN, 500),
    ];
    let of_ada = [
        (OLD.to_owned(), None, Some(10)),
        (NEW.to_owned(), Some(10), None),
        always(ADA),
    ];
    for identity in [ADA, NEW] {
        assert_eq!(held(identity, &links), of_ada, "{identity}");
    }
    let of_ben = [(OLD.to_owned(), Some(10), None), always(BEN)];
    for identity in [OLD, BEN] {
        assert_eq!(held(identity, &links), of_ben, "{identity}");
    }
}

#[test]
fn without_a_change_notice_a_tenure_ends_when_another_customer_is_first_seen() {
    let links = [same(OLD, ADA, 0), same(OLD, BEN, 500)];
    assert_eq!(
        held(ADA, &links),
        [(OLD.to_owned(), None, Some(500)), always(ADA)]
    );
    assert_eq!(
        held(OLD, &links),
        [(OLD.to_owned(), Some(500), None), always(BEN)]
    );
}

#[test]
fn a_changed_user_id_is_the_same_person_and_keeps_the_number() {
    let links = [
        same(OLD, ADA, 0),
        same(OLD, BEN, 500),
        changed(ADA, BEN, 500),
    ];
    for identity in [OLD, ADA, BEN] {
        let all = [always(OLD), always(ADA), always(BEN)];
        assert_eq!(held(identity, &links), all, "{identity}");
    }
}

#[test]
fn a_late_report_with_the_old_number_does_not_assign_it_again() {
    let links = [
        same(OLD, ADA, 0),
        changed(OLD, NEW, 10),
        same(OLD, ADA_PARENT, 12),
        same(ADA, ADA_PARENT, 12),
    ];
    let expected = [
        (OLD.to_owned(), None, Some(10)),
        (NEW.to_owned(), Some(10), None),
        always(ADA),
        always(ADA_PARENT),
    ];
    assert_eq!(held(ADA, &links), expected);
}

#[test]
fn a_user_id_that_is_sent_for_all_customers_joins_no_one() {
    let phones: Vec<String> = (0..9).map(|n| format!("44770090010{n}")).collect();
    let links: Vec<_> = phones.iter().map(|phone| same(phone, ADA, 0)).collect();
    assert_eq!(held(&phones[0], &links), []);
    assert_eq!(held(&phones[0], &links[..8]).len(), 9);
}

#[test]
fn both_spellings_of_a_number_are_one_id() {
    assert_eq!(
        canonical_spelling("5511987654321"),
        canonical_spelling("551187654321")
    );
    assert_eq!(canonical_spelling(OLD), OLD);
    assert_eq!(canonical_spelling(ADA), ADA);
}

fn links() -> impl Strategy<Value = Vec<(IdLink, DateTime<Utc>)>> {
    let id = || prop::sample::select(vec![OLD, NEW, "447700900003", ADA, BEN, ADA_PARENT]);
    let kind = prop::sample::select(vec![LinkKind::Same, LinkKind::Changed]);
    let one = (id(), kind, id(), 0..40_i64)
        .prop_filter("two ids", |(one, _, other, _)| one != other)
        .prop_map(|(one, kind, other, hours)| link(one, kind, other, hours));
    let all = prop::collection::vec(one, 0..10);
    all.prop_map(|mut links| {
        // The store has one row per link.
        links.sort();
        links.dedup_by(|one, other| one.0 == other.0);
        links
    })
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_affect_the_result((links, shuffled) in links().prop_flat_map(|links| (Just(links.clone()), Just(links).prop_shuffle()))) {
        for identity in [OLD, NEW, ADA, BEN] {
            prop_assert_eq!(held(identity, &links), held(identity, &shuffled));
        }
    }

    #[test]
    fn no_instant_of_a_number_belongs_to_two_persons(links in links()) {
        let persons = Persons::new(&links);
        for tenures in persons.tenures.values() {
            for pair in tenures.windows(2) {
                prop_assert_eq!(pair[0].until, pair[1].from);
            }
        }
        for identity in [OLD, NEW, ADA, BEN] {
            for held in find_held_ids(identity, &links) {
                prop_assert!(held.from.zip(held.until).is_none_or(|(from, until)| from <= until));
                if !is_phone(&held.identity) {
                    // Every user id of one person finds the same ids.
                    prop_assert_eq!(find_held_ids(&held.identity, &links), find_held_ids(identity, &links));
                }
            }
        }
    }
}
