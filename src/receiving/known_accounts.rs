//! Accounts account callback addresses work: those configured, and those that once were.

use std::collections::{BTreeMap, HashMap};

use crate::domain::ids::AccountId;
use crate::domain::provider::ProviderId;
use crate::domain::provider_account::{Account, CallbackAuth};
use crate::domain::secret::Secret;
use crate::store::accounts::AccountRecord;

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
            secrets: account
                .credentials
                .secrets()
                .into_iter()
                .chain(presented(&account.callback_auth))
                .cloned()
                .collect(),
        }
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
    /// The configured accounts, and of those that the database remembers the rest.
    pub fn new(configured: &[Account], remembered: &BTreeMap<AccountId, AccountRecord>) -> Self {
        let departed = remembered.values().map(|record| {
            let known = KnownAccount::departed(record.provider, record.generation);
            (record.id.clone(), known)
        });
        let configured = configured
            .iter()
            .map(|account| (account.id.clone(), KnownAccount::from(account)));
        departed.chain(configured).collect()
    }

    /// Every id.
    pub fn ids(&self) -> impl Iterator<Item = &AccountId> {
        self.0.keys()
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::account_with_defaults;
    use crate::domain::provider_account::Credentials;

    fn remembered(id: &str, generation: u32) -> (AccountId, AccountRecord) {
        let id: AccountId = id.parse().unwrap();
        let record = AccountRecord {
            id: id.clone(),
            provider: ProviderId::Kaleyra,
            generation,
            pause: None,
            last_callback_at: None,
            old_address_at: None,
            next_send_at: None,
        };
        (id, record)
    }

    #[test]
    fn an_account_keeps_its_address_when_it_leaves_the_configuration() {
        let credentials = Credentials::Sobot {
            api_key: Secret::new("key"),
            api_secret: Secret::new("secret"),
        };
        let mut stays = account_with_defaults("stays".parse().unwrap(), credentials);
        stays.callback_generation = 2;
        stays.callback_auth.verify_token = Some(Secret::new("token"));
        let known = KnownAccounts::new(
            &[stays],
            &BTreeMap::from([remembered("stays", 1), remembered("left", 5)]),
        );
        let find = |id: &str| known.find(&id.parse().unwrap()).cloned();
        let stays = find("stays").unwrap();
        assert_eq!((stays.provider, stays.generation), (ProviderId::Sobot, 2));
        assert_eq!(
            stays.secrets,
            ["secret", "key", "token"].map(Secret::new).to_vec()
        );
        assert_eq!(
            find("left"),
            Some(KnownAccount::departed(ProviderId::Kaleyra, 5))
        );
        assert_eq!(find("never"), None);
    }
}
