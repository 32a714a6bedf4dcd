//! Accounts whose callback addresses work: those configured, and those that once were.

use std::collections::HashMap;

use crate::domain::ids::AccountId;
use crate::domain::provider::{Account, CallbackAuth, Credentials, ProviderId};
use crate::domain::secret::Secret;

/// What receiving needs to know of one account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownAccount {
    /// Its provider.
    pub provider: ProviderId,
    /// What callbacks must present beyond the token.
    pub callback_auth: CallbackAuth,
    /// The current generation of its callback address.
    pub generation: u32,
    /// Older generations that no longer work.
    pub retired: Vec<u32>,
    /// Texts that must not be stored with a request.
    pub secrets: Vec<Secret>,
}

impl KnownAccount {
    /// An account that left the configuration. Its address goes on working; what it asked for besides is no longer known.
    pub fn departed(provider: ProviderId, generation: u32) -> Self {
        Self {
            provider,
            callback_auth: CallbackAuth::default(),
            generation,
            retired: Vec::new(),
            secrets: Vec::new(),
        }
    }
}

impl From<&Account> for KnownAccount {
    fn from(account: &Account) -> Self {
        Self {
            provider: account.provider(),
            callback_auth: account.callback_auth.clone(),
            generation: account.callback_generation,
            retired: account.callback_retired.clone(),
            secrets: credentials(&account.credentials)
                .into_iter()
                .chain(presented(&account.callback_auth))
                .cloned()
                .collect(),
        }
    }
}

fn credentials(credentials: &Credentials) -> Vec<&Secret> {
    match credentials {
        Credentials::Sobot {
            api_key,
            api_secret,
        } => vec![api_key, api_secret],
        Credentials::Kaleyra { api_key, .. } => vec![api_key],
        Credentials::Zixflow { token, .. } | Credentials::LancePilot { token, .. } => vec![token],
    }
}

fn presented(auth: &CallbackAuth) -> impl Iterator<Item = &Secret> {
    let basic = auth.basic.iter().map(|login| &login.password);
    let header = auth.header.iter().map(|header| &header.value);
    let hmac = auth.hmac.iter().flat_map(|hmac| &hmac.secrets);
    basic.chain(header).chain(hmac).chain(&auth.verify_token)
}

/// Every account known, by id.
#[derive(Clone, Debug, Default)]
pub struct KnownAccounts(HashMap<AccountId, KnownAccount>);

impl KnownAccounts {
    /// The account of this id.
    pub fn find(&self, id: &AccountId) -> Option<&KnownAccount> {
        self.0.get(id)
    }
}

impl FromIterator<(AccountId, KnownAccount)> for KnownAccounts {
    /// Of two with one id the later counts: put the departed first, the configured after them.
    fn from_iter<I: IntoIterator<Item = (AccountId, KnownAccount)>>(accounts: I) -> Self {
        Self(accounts.into_iter().collect())
    }
}
