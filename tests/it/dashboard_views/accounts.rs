//! The page of accounts.

use bluetick::config::Reachability;
use bluetick::domain::circuit_breaker::Trip;
use bluetick::domain::paused_by::PausedBy;
use bluetick::domain::provider::ProviderId;
use bluetick::domain::provider_account::AccountMode;
use bluetick::domain::scope::Visibility;
use bluetick::domain::send_rate::Slowdown;
use bluetick::reporting::account_activity::AccountActivity;
use bluetick::reporting::account_health::{AccountStatus, Health};
use bluetick::store::account_records::Pause;
use bluetick::web::dashboard::accounts_page::AccountsPage;
use bluetick::web::dashboard::event_rows::LatestEvents;
use chrono::TimeDelta;

use super::{account, now, render};

fn account_status(id: &str, provider: ProviderId, health: Health) -> AccountStatus {
    AccountStatus {
        id: account(id),
        provider,
        senders: vec!["+918600000001".to_owned()],
        mode: Some(AccountMode::Live),
        callback_url: format!("http://127.0.0.1:8080/callbacks/{id}/Zm9vYmFyYmF6cXV4"),
        last_callback_at: (health != Health::Unconfigured).then(|| now() - TimeDelta::seconds(42)),
        health,
        trip: None,
        activity: AccountActivity::default(),
        old_address_at: None,
        warnings: Vec::new(),
        rate: None,
        effective_rate: None,
        slowdown: None,
    }
}

#[test]
fn an_account_shows_its_url_steps_and_health() {
    let paused = Health::Paused(Pause {
        since: now(),
        by: PausedBy::Provider,
        reason: "RBC001 Insufficient balance".to_owned(),
    });
    let accounts = [
        account_status("kaleyra-in", ProviderId::Kaleyra, Health::Unconfigured),
        account_status("sobot-main", ProviderId::Sobot, paused),
        account_status("zixflow-eu", ProviderId::Zixflow, Health::Ok),
        AccountStatus {
            rate: Some(20.0),
            effective_rate: Some(7.25),
            slowdown: Some(Slowdown {
                since: now(),
                hold_until: now(),
                rate: 7.25,
                reason: "429: Too many <requests>".to_owned(),
                requests: 1,
            }),
            ..account_status(
                "sobot-second",
                ProviderId::Sobot,
                Health::Tripped(Trip {
                    since: now(),
                    reason: "5 submissions in a row had no clear reply".to_owned(),
                    last_reply: "HTTP 502".to_owned(),
                    next_probe_at: now() + TimeDelta::seconds(30),
                    probe_wait: TimeDelta::seconds(30),
                    failed_messages: 5,
                }),
            )
        },
        AccountStatus {
            mode: None,
            ..account_status("lancepilot-old", ProviderId::LancePilot, Health::Ok)
        },
    ];
    let page = render(
        "accounts",
        &AccountsPage::new(
            &accounts,
            &LatestEvents::new(),
            Reachability::Loopback,
            Visibility::Full,
            now(),
        ),
    );
    let text = page.main();
    for expected in [
        "Providers cannot reach this machine",
        "No callback has ever arrived",
        "RBC001 Insufficient balance",
        "5 submissions in a row had no clear reply",
        "HTTP 502",
        "7.2 messages a second, configured 20",
        "429: Too many <requests>",
        "42 s ago",
        "+918600000001",
        "No longer configured",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    for (place, account) in accounts.iter().enumerate() {
        let steps = page.find(".steps");
        let text: String = steps[place].text().collect();
        assert!(!text.contains("{url}"), "{text}");
        assert!(
            text.contains(&account.callback_url),
            "{} in {text}",
            account.callback_url
        );
    }
    assert_eq!(
        page.buttons(),
        [
            "/accounts/check",
            "/accounts/check",
            "/accounts/kaleyra-in/pause",
            "/accounts/sobot-main/resume",
            "/accounts/zixflow-eu/pause",
            "/accounts/sobot-second/resume",
            "/accounts/sobot-second/pause",
        ]
    );
    let masked = render(
        "accounts-masked",
        &AccountsPage::new(
            &accounts,
            &LatestEvents::new(),
            Reachability::Public,
            Visibility::Masked,
            now(),
        ),
    );
    assert!(
        !masked.0.html().contains("Zm9vYmFy"),
        "the callback URL is a secret"
    );
    assert!(masked.buttons().is_empty());
}

#[test]
fn without_accounts_the_page_shows_an_example() {
    let page = render(
        "accounts-empty",
        &AccountsPage::new(
            &[],
            &LatestEvents::new(),
            Reachability::Loopback,
            Visibility::Full,
            now(),
        ),
    );
    assert!(page.main().contains("provider = \"kaleyra\""));
    assert!(page.main().contains("bluetick config check"));
}
