//! The numbers in `/metrics` that come from the databases: backlog, messages by state, problems.
//!
//! **Invariant:** no query scans a table of messages or callbacks.

use chrono::TimeDelta;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::db;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::reporting::gauges::{GaugeFamily, register_gauge, signed};
use crate::reporting::loss_check::LossCheck;
use crate::reporting::problem_kind::ProblemKind;
use crate::services::Services;

/// Messages up to this age are counted, as a sum over the stored counts of one day.
const MESSAGE_AGE: TimeDelta = TimeDelta::hours(24);

pub(super) async fn register(
    services: &Services,
    registry: &mut Registry,
) -> Result<(), db::Error> {
    let now = services.clock.now();
    let store = &services.store;
    let position = store.position().await?;
    let end = services.journal.end().await?;
    let oldest = services.journal.list_positions(position, 1).await?;
    let lag = oldest.first().map(|position| now - position.received_at);
    let counts = store.count_messages(now - MESSAGE_AGE).await?;
    let problems = store.count_problems(now).await?;

    register_gauge(
        registry,
        "reconcile_backlog_rows",
        "Journal positions that are not processed yet; a few may be empty",
        // Positions after the last row may never have been committed.
        if lag.is_none() { 0 } else { end - position },
    );
    let seconds = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
    let lag = lag.unwrap_or_default().max(TimeDelta::zero());
    seconds.set(lag.as_seconds_f64());
    registry.register_with_unit(
        "reconcile_lag",
        "Age of the oldest callback that is not processed yet",
        Unit::Seconds,
        seconds,
    );
    let messages = GaugeFamily::<3>::default();
    let of = |account: &AccountId, origin: &str, state: DeliveryState| {
        [
            ("account", account.to_string()),
            ("origin", origin.to_owned()),
            ("state", state.to_string()),
        ]
    };
    // Configured accounts are always present; observed and dry-run messages once there are some.
    for account in services.accounts.keys() {
        for state in DeliveryState::ALL {
            messages.get_or_create(&of(account, "api", state)).set(0);
        }
    }
    for (origin, accounts) in [
        ("api", &counts.sent),
        ("observed", &counts.observed),
        ("dry-run", &counts.dry_run),
    ] {
        for (account, states) in accounts {
            for (state, number) in states {
                messages
                    .get_or_create(&of(account, origin, *state))
                    .set(*number);
            }
        }
    }
    registry.register(
        "messages_last_day",
        "Messages first attempted in the last 24 hours, or created then and not attempted yet, by the state they are in now",
        messages,
    );
    let open = GaugeFamily::<1>::default();
    for kind in ProblemKind::ALL {
        if kind != ProblemKind::Rejected {
            let label = [("kind", kind.as_str().to_owned())];
            open.get_or_create(&label)
                .set(signed(kind.count(&problems)));
        }
    }
    registry.register("problems", "Open problems", open);
    register_loss_check(&LossCheck::find(store, &services.journal).await?, registry);
    Ok(())
}

fn register_loss_check(check: &LossCheck, registry: &mut Registry) {
    let kept = GaugeFamily::<1>::default();
    let set = |outcome: &str, number: i64| {
        let label = [("outcome", outcome.to_owned())];
        kept.get_or_create(&label).set(number);
    };
    for (outcome, number) in &check.outcomes {
        set(outcome.as_str(), *number);
    }
    set("unprocessed", signed(check.unprocessed));
    registry.register(
        "books_callbacks",
        "Callbacks that are kept, by outcome; unprocessed ones are counted up to 10,000",
        kept,
    );
    let differences = GaugeFamily::<1>::default();
    let set_difference = |counted: &str, difference: i64| {
        let label = [("book", counted.to_owned())];
        differences.get_or_create(&label).set(difference);
    };
    if let Some(difference) = check.difference {
        set_difference("callbacks", difference);
    }
    if let Some(compared) = &check.messages {
        set_difference("messages", compared.messages - compared.counted);
    }
    registry.register(
        "books_difference",
        "Processed callbacks of the journal minus outcomes, and messages of the last day minus their counts by state; 0 unless something was lost",
        differences,
    );
    if let Some(verified) = &check.verified {
        register_gauge(
            registry,
            "verified_timestamp_seconds",
            "When `bluetick verify` last checked everything",
            verified.at.timestamp(),
        );
        register_gauge(
            registry,
            "verified_discrepancies",
            "Discrepancies that this check of `bluetick verify` found",
            signed(verified.discrepancies),
        );
    }
}
