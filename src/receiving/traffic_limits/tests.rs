//! Ceilings, spikes and floods, with counts that are saved and shared.

use super::*;
use crate::domain::provider::ProviderId;
use crate::receiving::hourly_ceiling::MINIMUM_CEILING;
use crate::receiving::known_accounts::KnownAccount;

fn shop() -> AccountId {
    "shop".parse().unwrap()
}

fn limits() -> TrafficLimits {
    let known: KnownAccounts = [(shop(), KnownAccount::removed(ProviderId::Sobot, 1))]
        .into_iter()
        .collect();
    // A missing folder has no free space, so the minimum ceiling applies.
    TrafficLimits::new(&known, "/nowhere")
}

fn noon() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

#[test]
fn callbacks_over_the_ceiling_are_refused_until_the_next_hour() {
    let limits = limits();
    let large = usize::try_from(MINIMUM_CEILING / 4).unwrap();
    for _ in 0..4 {
        assert!(limits.admit(&shop(), large, noon()));
    }
    assert!(!limits.admit(&shop(), 1, noon()));
    assert!(!limits.admit(&shop(), 1, noon() + TimeDelta::minutes(59)));
    let spikes = limits.list_spikes(noon());
    assert_eq!((spikes[0].rejected, spikes[0].used.callbacks), (2, 4));
    let next = noon() + TimeDelta::hours(1);
    assert!(limits.admit(&shop(), 1, next));
    assert!(limits.list_spikes(next).is_empty());
}

#[test]
fn after_a_clock_jumped_a_day_ahead_and_back_every_hour_has_its_own_ceiling() {
    let limits = limits();
    let whole = usize::try_from(MINIMUM_CEILING).unwrap();
    assert!(limits.admit(&shop(), 1, noon() + TimeDelta::days(1)));
    for hour in 0..24 {
        let at = noon() + TimeDelta::hours(hour);
        assert!(limits.admit(&shop(), whole, at), "hour {hour}");
        assert!(!limits.admit(&shop(), 1, at), "hour {hour}");
        let spikes = limits.list_spikes(at);
        assert_eq!((spikes[0].rejected, spikes[0].used.callbacks), (1, 1));
    }
    assert_eq!(limits.unsaved().len(), 25, "each in its own hour");
}

#[test]
fn half_of_the_ceiling_is_a_spike() {
    let limits = limits();
    let half = usize::try_from(MINIMUM_CEILING / 2).unwrap();
    assert!(limits.admit(&shop(), half - 1, noon()));
    assert!(limits.list_spikes(noon()).is_empty());
    assert!(limits.admit(&shop(), 1, noon()));
    let spike = limits.list_spikes(noon()).remove(0);
    assert_eq!((spike.account, spike.rejected), (Some(shop()), 0));
    assert_eq!(spike.byte_ceiling, MINIMUM_CEILING);
}

#[test]
fn receipts_have_a_ceiling_too() {
    let limits = limits();
    let ceiling = receipt_ceiling(MINIMUM_CEILING);
    assert!(limits.admit(&shop(), 1, noon()));
    limits.count_processed(&shop(), noon(), ceiling / 2, 0, noon());
    assert_eq!(limits.list_spikes(noon()).len(), 1);
    assert!(limits.admit(&shop(), 1, noon()));
    limits.count_processed(&shop(), noon(), ceiling / 2, 0, noon());
    assert!(!limits.admit(&shop(), 1, noon()));
    assert!(limits.admit(&shop(), 1, noon() + TimeDelta::hours(1)));
}

#[test]
fn callbacks_from_before_an_outage_do_not_count_in_the_current_hour() {
    let limits = limits();
    let ceiling = receipt_ceiling(MINIMUM_CEILING);
    let later = noon() + TimeDelta::hours(1);
    limits.count_processed(&shop(), noon(), 2 * ceiling, 8_000, later);
    assert!(limits.admit(&shop(), 1, later));
    assert!(limits.list_orphan_floods(later).is_empty());
    limits.count_processed(&shop(), later, 8_000, 8_000, later);
    assert_eq!(limits.list_orphan_floods(later)[0].orphans, 16_000);
    // The clock was set back between arrival and processing.
    limits.count_processed(&shop(), later + TimeDelta::hours(9), ceiling, 0, later);
    assert!(!limits.admit(&shop(), 1, later));
}

#[test]
fn a_flood_of_orphans_is_counted_across_the_hour() {
    let limits = limits();
    let before_one = noon() + TimeDelta::minutes(59);
    limits.count_processed(&shop(), before_one, 6_000, 6_000, before_one);
    assert!(limits.list_orphan_floods(before_one).is_empty());
    let after_one = noon() + TimeDelta::minutes(61);
    limits.count_processed(&shop(), after_one, 6_000, 6_000, after_one);
    let floods = limits.list_orphan_floods(after_one);
    assert_eq!(floods[0].account, Some(shop()));
    assert_eq!(floods[0].orphans, 6_000 + 5_900);
    assert!(
        limits
            .list_orphan_floods(noon() + TimeDelta::hours(3))
            .is_empty()
    );
}

#[test]
fn saved_callbacks_are_counted_once() {
    let limits = limits();
    for _ in 0..3 {
        assert!(limits.admit(&shop(), 10, noon()));
    }
    let unsaved = limits.unsaved();
    assert!(limits.admit(&shop(), 10, noon()));
    for (account, hour, volume) in unsaved {
        limits
            .usage_of(account.as_ref())
            .lock()
            .mark_saved(hour, volume);
    }
    let usage = || limits.usage_of(Some(&shop())).lock();
    assert_eq!(usage().used().callbacks, 4);
    assert_eq!(limits.unsaved()[0].2.callbacks, 1);
    // Another process counted five in the same hour.
    let volume = CallbackVolume {
        callbacks: 8,
        bytes: 80,
        ..CallbackVolume::default()
    };
    usage().set_recorded(hour_of(noon()), volume);
    assert_eq!(usage().used().callbacks, 9);
}
