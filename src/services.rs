//! The struct that handlers and jobs share. Built by `app`; tests build the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::ids::AccountId;
use crate::domain::provider_account::Account;
use crate::domain::steady_clock::SteadyClock;
use crate::http_client::guarded_fetch::GuardedClient;
use crate::journal::Journal;
use crate::keys::Keys;
use crate::operating::retention::Retention;
use crate::receiving::ingest::Ingest;
use crate::receiving::known_accounts::KnownAccounts;
use crate::receiving::reconcile::Reconciler;
use crate::reporting::access_refusals::AccessRefusals;
use crate::reporting::costs::Costs;
use crate::reporting::export::Exporter;
use crate::reporting::month_costs_cache::MonthCostsCache;
use crate::sending::accept::Acceptor;
use crate::sending::campaign::CampaignSender;
use crate::sending::dispatch::Dispatcher;
use crate::sending::upload_storage::UploadStorage;
use crate::store::Store;
use crate::store::lease::Lease;

/// The services that receive callbacks. They need the journal, but not the main database.
#[derive(Clone)]
pub struct ReceivingServices {
    pub config: Arc<Config>,
    pub clock: Arc<dyn Clock>,
    pub keys: Arc<Keys>,
    pub journal: Journal,
    pub ingest: Arc<Ingest>,
    pub known_accounts: Arc<KnownAccounts>,
    /// See [`Services::stopping`].
    pub stopping: CancellationToken,
}

#[derive(Clone)]
pub struct Services {
    pub config: Arc<Config>,
    /// Configured accounts.
    pub accounts: Arc<BTreeMap<AccountId, Account>>,
    pub clock: Arc<dyn Clock>,
    /// For leases and sending slots: steps of the machine's clock do not change it.
    pub steady_clock: Arc<SteadyClock>,
    pub keys: Arc<Keys>,
    /// Counts of failed sign-ins, refused tokens and throttled searches.
    pub access_refusals: Arc<AccessRefusals>,
    /// Messages, receipts, access.
    pub store: Store,
    /// Raw callbacks.
    pub journal: Journal,
    /// Appends callbacks to the journal.
    pub ingest: Arc<Ingest>,
    /// Accounts with a valid callback URL, configured or not.
    pub known_accounts: Arc<KnownAccounts>,
    /// Accepts messages into the queue.
    pub acceptor: Acceptor,
    /// Turns recipients of campaigns into messages.
    pub campaign_sender: CampaignSender,
    /// Files that were uploaded but not submitted yet.
    pub uploads: UploadStorage,
    /// Submits queued messages.
    pub dispatcher: Dispatcher,
    /// Applies callbacks to messages.
    pub reconciler: Reconciler,
    /// Purges what is past its retention.
    pub retention: Retention,
    /// Delivers notifications of alerts.
    pub alert_client: GuardedClient,
    /// Held by the one process that does the shared maintenance: it expires messages, ends the
    /// claims of dead workers, adopts orphans, trims shared tables, and updates the incidents of
    /// alerts.
    pub maintenance_lease: Lease,
    /// Computes what messages cost.
    pub costs: Arc<Costs>,
    /// Exports messages as files.
    pub exporter: Arc<Exporter>,
    /// The costs of this month, cached for budgets, alerts and the overview.
    pub month_costs: Arc<MonthCostsCache>,
    /// Notified when a message was accepted, or may have become due.
    pub dispatch_wakeup: Arc<Notify>,
    /// Notified when a campaign was changed; wakes the job that sends campaigns.
    pub campaign_changed: Arc<Notify>,
    /// Cancelled when the process stops; ends streams and long purges.
    pub stopping: CancellationToken,
}

impl Services {
    pub fn receiving(&self) -> ReceivingServices {
        ReceivingServices {
            config: Arc::clone(&self.config),
            clock: Arc::clone(&self.clock),
            keys: Arc::clone(&self.keys),
            journal: self.journal.clone(),
            ingest: Arc::clone(&self.ingest),
            known_accounts: Arc::clone(&self.known_accounts),
            stopping: self.stopping.clone(),
        }
    }

    pub fn callback_url(&self, account: &AccountId, generation: u32) -> String {
        let token = self.keys.callback_token(account, generation);
        format!("{}/callbacks/{account}/{token}", self.config.public_url)
    }
}
