//! The overview: what it counts, and what it explains while there is nothing to count.

use std::collections::BTreeMap;

use bluetick::domain::delivery_state::DeliveryState;
use bluetick::domain::ids::AccountId;
use bluetick::domain::provider::ProviderId;
use bluetick::domain::scope::Visibility;
use bluetick::domain::state_totals::StateTotals;
use bluetick::reporting::costs::month_costs::MonthCosts;
use bluetick::reporting::headline::{Headline, Issue};
use bluetick::reporting::period_figures::{AccountFigures, BarWidth, PeriodFigures};
use bluetick::store::page_counts::{Counts, CountsByState, Problems};
use bluetick::store::period_totals::AccountTotals;
use bluetick::web::dashboard::overview_page::{OverviewInput, OverviewPage};
use bluetick::web::dashboard::overview_period::{OverviewPeriod, OverviewRange, RangeForm};
use chrono::TimeDelta;

use super::{account, now, render};

/// One account in two bars: the newer half of the period is too young to judge.
fn figures() -> PeriodFigures {
    let states = |numbers: [i64; 3]| {
        let [read, delivered, failed] = numbers;
        BTreeMap::from([
            (DeliveryState::Read, read),
            (DeliveryState::Delivered, delivered),
            (DeliveryState::Failed, failed),
        ])
    };
    let totals = |numbers| AccountTotals {
        states: StateTotals::new(states(numbers), 0),
        ..AccountTotals::default()
    };
    let total = AccountFigures {
        current: totals([90, 80, 30]),
        before: totals([500, 400, 100]),
        old_enough_for_delivered: totals([60, 20, 20]),
        old_enough_for_read: AccountTotals::default(),
        volume: vec![100, 100],
    };
    PeriodFigures {
        starts: vec![now() - TimeDelta::hours(2), now() - TimeDelta::hours(1)],
        to: now(),
        width: BarWidth::Hour,
        bars: vec![states([60, 20, 20]), states([30, 60, 10])],
        accounts: BTreeMap::from([(account("kaleyra-in"), total.clone())]),
        total,
        events: Vec::new(),
    }
}

fn month() -> MonthCosts {
    MonthCosts {
        month: "2026-11-01".parse().unwrap(),
        is_complete: false,
        groups: BTreeMap::new(),
        previous: BTreeMap::new(),
        read: BTreeMap::new(),
        budgets: Vec::new(),
    }
}

fn overview(
    providers: &BTreeMap<AccountId, ProviderId>,
    counts: &Counts,
    problems: &Problems,
) -> OverviewPage {
    OverviewPage::new(&OverviewInput {
        providers,
        counts,
        problems,
        headline: &Headline {
            text: "kaleyra-in: 41 % failed in the last hour (usually 3 %)".to_owned(),
            issues: vec![Issue {
                kind: "failing",
                account: Some(account("kaleyra-in")),
                text: "kaleyra-in: 41 % failed in the last hour (usually 3 %)".to_owned(),
                path: "/messages?account=kaleyra-in&state=failed".to_owned(),
            }],
        },
        alerts: &[],
        incidents: &[],
        figures: &figures(),
        month: &month(),
        month_zone: chrono_tz::UTC,
        zone: chrono_tz::UTC,
        now: now(),
        viewer: Visibility::Full,
        period: &OverviewPeriod::new(OverviewRange::Week, now(), chrono_tz::UTC),
        form: &RangeForm::default(),
    })
}

fn providers() -> BTreeMap<AccountId, ProviderId> {
    BTreeMap::from([
        (account("kaleyra-in"), ProviderId::Kaleyra),
        (account("sobot-main"), ProviderId::Sobot),
        (account("lancepilot-demo"), ProviderId::LancePilot),
    ])
}

fn by_state(numbers: [i64; 10]) -> CountsByState {
    DeliveryState::ALL
        .into_iter()
        .zip(numbers)
        .filter(|(_, number)| *number > 0)
        .collect()
}

fn busy() -> OverviewPage {
    let counts = Counts {
        sent: BTreeMap::from([
            (
                account("kaleyra-in"),
                by_state([3, 1, 2, 40, 120, 1_210, 3_004, 0, 61, 4]),
            ),
            (
                account("sobot-main"),
                by_state([0, 0, 0, 12, 31, 402, 911, 0, 18, 0]),
            ),
            (
                account("lancepilot-demo"),
                by_state([0, 0, 1, 4, 9, 77, 120, 0, 3, 0]),
            ),
        ]),
        observed: BTreeMap::from([(
            account("sobot-main"),
            by_state([0, 0, 0, 0, 0, 5, 2, 0, 0, 0]),
        )]),
        dry_run: BTreeMap::new(),
        failures: BTreeMap::from([
            ((account("sobot-main"), "131026".to_owned()), 18),
            ((account("kaleyra-in"), "131053".to_owned()), 41),
            ((account("lancepilot-demo"), "131053".to_owned()), 3),
            ((account("kaleyra-in"), String::new()), 2),
        ]),
    };
    let problems = Problems {
        uncertain: 3,
        quarantine: 1,
        ..Problems::default()
    };
    overview(&providers(), &counts, &problems)
}

#[test]
fn the_overview_without_accounts_explains_how_to_begin() {
    let page = render(
        "overview-empty",
        &overview(&BTreeMap::new(), &Counts::default(), &Problems::default()),
    );
    assert!(page.main().contains("Connect the first account"));
    assert!(page.main().contains("[[accounts]]"));
}

#[test]
fn the_overview_without_messages_explains_how_to_send_one() {
    let page = render(
        "overview-idle",
        &overview(&providers(), &Counts::default(), &Problems::default()),
    );
    assert!(page.main().contains("bluetick token create"));
    assert!(page.main().contains("kaleyra-in"));
}

#[test]
fn the_overview_counts_by_state_and_account_and_links_to_what_it_counts() {
    let page = render("overview", &busy());
    let text = page.main();
    assert_eq!(
        page.text("h1"),
        "kaleyra-in: 41 % failed in the last hour (usually 3 %)"
    );
    assert!(text.contains("3 Uncertain"), "{text}");
    let row = page.text("[aria-labelledby=figures] tbody tr");
    // Compared are the messages that are old enough: 80.0 % now, 90.0 % before.
    assert!(
        row.contains("200 85 % −10.0 45 % so far 15 % +10.0"),
        "{row}"
    );
    assert!(text.contains("6,033"), "all messages: {text}");
    assert!(
        !text.contains("Overdue"),
        "problems with count 0 are not shown"
    );
    let reasons: Vec<_> = page
        .find("[aria-labelledby=failures] code")
        .iter()
        .map(|code| code.text().collect::<String>())
        .collect();
    assert_eq!(
        reasons,
        ["131053", "131026", "no code"],
        "most frequent first"
    );
    let reason = page.text("[aria-labelledby=failures] tbody tr");
    assert!(
        reason.starts_with("44 131053 media kaleyra-in, lancepilot-demo"),
        "one row per reason: {reason}"
    );
    let links = page.links();
    for expected in [
        "/problems#uncertain",
        "/problems#quarantine",
        "/messages?state=failed&account=kaleyra-in&origin=api&since=2026-11-14",
        "/messages?account=sobot-main&origin=observed&since=2026-11-14",
        "/messages?state=failed&code=131053&origin=api&since=2026-11-14",
        "/messages?state=failed&account=sobot-main&code=131026&origin=api&since=2026-11-14",
        "/messages?state=delivered%2Cread%2Cplayed&origin=api&since=2026-11-14",
        "/?days=30",
    ] {
        assert!(
            links.iter().any(|link| link == expected),
            "{expected} in {links:?}"
        );
    }
}

#[test]
fn a_funnel_bar_is_as_long_as_its_share() {
    let page = render("overview", &busy());
    let widths: Vec<_> = page
        .find("rect.fill")
        .iter()
        .filter_map(|bar| bar.attr("width"))
        .collect();
    // Of 6,026 attempted: 5,940 submitted, 5,884 sent, 5,724 delivered, 4,035 read.
    assert_eq!(widths, ["1000", "986", "976", "950", "670"]);
}
