//! Periodic jobs: sweeps, alerts, usage, purges, lag, backups, budgets, loss checks and
//! checkpoints.

use std::future::pending;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::db;
use crate::db::CheckpointResult;
use crate::jobs::Jobs;
use crate::operating::{alert_delivery, alerting, backup, retention};
use crate::reporting::loss_check;

/// How often expired, abandoned and adoptable messages are searched for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Uploaded files that are not needed are searched for only once in this many sweeps: they are kept
/// for a quarter of an hour anyway.
const SWEEPS_PER_FILE_SEARCH: u64 = 60;
/// How often the traffic of accounts is stored, and the other processes' traffic loaded.
const USAGE_INTERVAL: Duration = Duration::from_secs(10);
/// How often the lag of the reconciler is measured, and after how many measurements the clock of
/// leases is compared with the server's again.
const LAG_INTERVAL: Duration = Duration::from_secs(5);
const LAG_CHECKS_PER_CLOCK_CHECK: u32 = 12;
/// How often the conditions of alerts are checked, and how often due notifications are searched
/// for.
const ALERT_INTERVAL: Duration = Duration::from_secs(5);
const DELIVERY_INTERVAL: Duration = Duration::from_secs(1);
/// How often rows past their retention are searched for, and the pause between two purge steps.
const PURGE_INTERVAL: Duration = Duration::from_mins(10);
const PURGE_PAUSE: Duration = Duration::from_secs(1);
/// How often it is checked whether a backup is due.
const BACKUP_INTERVAL: Duration = Duration::from_mins(1);
/// How often the costs of the month are compared with the budgets.
const BUDGET_INTERVAL: Duration = Duration::from_mins(5);
/// How often callbacks are compared with their outcomes, and messages with their counts.
const LOSS_CHECK_INTERVAL: Duration = Duration::from_mins(1);
/// How often the length of SQLite's write-ahead log is checked, and the pause while a reader
/// prevents a checkpoint.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(100);
const HELD_BACK_PAUSE: Duration = Duration::from_secs(1);

impl Jobs {
    pub(super) async fn sweep(self) {
        for round in 0_u64.. {
            if self.stop.is_cancelled() {
                return;
            }
            let now = self.services.clock.now();
            let files_are_due = round.is_multiple_of(SWEEPS_PER_FILE_SEARCH);
            let files = if files_are_due {
                self.services.uploads.sweep(now).await
            } else {
                Ok(())
            };
            for result in [files, self.run_maintenance(now, files_are_due).await] {
                if let Err(error) = result {
                    tracing::warn!(%error, "expired or abandoned messages could not be searched for");
                }
            }
            self.pause(SWEEP_INTERVAL, pending()).await;
        }
    }

    /// The maintenance that one process does for all. A failed part does not prevent the others.
    async fn run_maintenance(
        &self,
        now: DateTime<Utc>,
        files_are_due: bool,
    ) -> Result<(), db::Error> {
        let services = &self.services;
        if !services
            .maintenance_lease
            .hold(services.steady_clock.now())
            .await?
        {
            return Ok(());
        }
        let swept = services.dispatcher.sweep().await;
        let adopted = services.reconciler.adopt().await.map(|_| ());
        let uploads = if files_are_due {
            services.uploads.sweep_database(now).await
        } else {
            Ok(())
        };
        let changes = services.store.trim_changes().await.map(|_| ());
        swept.and(adopted).and(uploads).and(changes)
    }

    /// One process per database updates the incidents. It also closes the incidents of removed
    /// rules.
    pub(super) async fn watch_alerts(self) {
        let services = &self.services;
        while !self.stop.is_cancelled() {
            let now = services.steady_clock.now();
            let result = match services.maintenance_lease.hold(now).await {
                Ok(true) => alerting::update_incidents(services).await,
                held => held.map(|_| ()),
            };
            if let Err(error) = result {
                tracing::warn!(%error, "the conditions of alerts could not be checked; will retry");
            }
            self.pause(ALERT_INTERVAL, pending()).await;
        }
    }

    /// Every process delivers notifications, including those that other processes created; each
    /// notification is claimed by one process.
    pub(super) async fn deliver_alerts(self) {
        while !self.stop.is_cancelled() {
            if let Err(error) = alert_delivery::deliver_due(&self.services).await {
                tracing::warn!(%error, "alert notifications could not be read or recorded; will retry");
            }
            self.pause(DELIVERY_INTERVAL, pending()).await;
        }
    }

    /// Saves once more at the end, so that the next process continues counting this hour's traffic.
    pub(super) async fn save_usage(self) {
        let services = &self.services;
        loop {
            let now = services.clock.now();
            let limits = services.ingest.limits();
            if let Err(error) = limits.save_and_reload(&services.store, now).await {
                tracing::warn!(%error, "the traffic of accounts could not be stored; will retry");
            }
            if self.stop.is_cancelled() {
                return;
            }
            self.pause(USAGE_INTERVAL, pending()).await;
        }
    }

    /// One process per database purges; the others only wait for the lease.
    pub(super) async fn purge(self) {
        while !self.stop.is_cancelled() {
            let pause = match self.services.retention.step().await {
                Ok(retention::StepResult::More) => PURGE_PAUSE,
                Ok(_) => PURGE_INTERVAL,
                Err(error) => {
                    tracing::warn!(%error, "a purge step failed; will retry");
                    PURGE_PAUSE
                }
            };
            self.pause(pause, pending()).await;
        }
    }

    /// Measures how far the reconciler is behind, also in processes that do not reconcile.
    pub(super) async fn watch_reconciler(self) {
        let services = &self.services;
        let mut checks_until_clock = 0;
        while !self.stop.is_cancelled() {
            // While a database is unreachable, the lag keeps its last value; other loops log the
            // error.
            let _ = services.reconciler.note_lag().await;
            if checks_until_clock == 0 {
                checks_until_clock = LAG_CHECKS_PER_CLOCK_CHECK;
                let _ = services.store.set_lease_clock(&services.steady_clock).await;
            }
            checks_until_clock -= 1;
            self.pause(LAG_INTERVAL, pending()).await;
        }
    }

    /// Makes backups on schedule.
    pub(super) async fn back_up(self) {
        let Some(schedule) = &self.services.config.backup else {
            return;
        };
        while !self.stop.is_cancelled() {
            let run = backup::run_schedule(&self.services, schedule);
            let made = tokio::select! {
                made = run => made,
                () = self.stop.cancelled() => return,
            };
            match made {
                Ok(None) => {}
                Ok(Some(manifest)) => tracing::info!(
                    callbacks = manifest.counts.callbacks,
                    messages = manifest.counts.messages,
                    "made a backup"
                ),
                Err(error) => tracing::error!(%error, "the backup failed; will retry"),
            }
            self.pause(BACKUP_INTERVAL, pending()).await;
        }
    }

    /// Compares the costs of the month with the budgets.
    pub(super) async fn watch_budgets(self) {
        let services = &self.services;
        while !self.stop.is_cancelled() {
            let now = services.clock.now();
            let (costs, config) = (&services.costs, &services.config);
            if let Err(error) = services.month_costs.refresh(costs, config, now).await {
                tracing::warn!(%error, "the costs of this month could not be computed; will retry");
            }
            self.pause(BUDGET_INTERVAL, pending()).await;
        }
    }

    /// Runs in one process per database.
    pub(super) async fn check_for_losses(self) {
        let services = &self.services;
        while !self.stop.is_cancelled() {
            let now = services.steady_clock.now();
            let result = match services.maintenance_lease.hold(now).await {
                Ok(true) => {
                    loss_check::run(&services.store, &services.journal, services.clock.now()).await
                }
                held => held.map(|_| ()),
            };
            if let Err(error) = result {
                tracing::warn!(%error, "callbacks could not be compared with their outcomes; will retry");
            }
            self.pause(LOSS_CHECK_INTERVAL, pending()).await;
        }
    }

    pub(super) async fn checkpoint(self) {
        while !self.stop.is_cancelled() {
            let pause = match self.services.store.checkpoint().await {
                Ok(CheckpointResult::Enough) => CHECKPOINT_INTERVAL,
                Ok(CheckpointResult::HeldBack) => HELD_BACK_PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "the write-ahead log could not be checkpointed; will retry");
                    HELD_BACK_PAUSE
                }
            };
            self.pause(pause, pending()).await;
        }
    }
}
