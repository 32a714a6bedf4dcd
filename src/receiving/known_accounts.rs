//! Accounts whose callback URLs are valid: those configured now, and those configured earlier.

use std::collections::HashMap;

use crate::domain::ids::AccountId;
use crate::domain::provider::ProviderId;
use crate::domain::provider_account::{Account, CallbackAuth};
use crate::domain::secret::Secret;
use crate::store::account_records::CallbackUrlRecord;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownAccount {
    pub provider: ProviderId,
    /// Authentication that callbacks need in addition to the URL token.
    pub callback_auth: CallbackAuth,
    /// The current generation of its callback URL.
    pub generation: u32,
    /// Generations that are no longer accepted.
    pub retired: Vec<u32>,
    /// Redacted from stored requests.
    pub secrets: Vec<Secret>,
}

impl KnownAccount {
    /// An account that was removed from the configuration. Its callback URL stays valid; its
    /// further authentication is no longer known.
    pub fn removed(provider: ProviderId, generation: u32) -> Self {
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
                .chain(configured_secrets(&account.callback_auth))
                .cloned()
                .collect(),
        }
    }
}

fn configured_secrets(auth: &CallbackAuth) -> impl Iterator<Item = &Secret> {
    let basic = auth.basic.iter().map(|login| &login.password);
    let header = auth.header.iter().map(|header| &header.value);
    let hmac = auth.hmac.iter().flat_map(|hmac| &hmac.secrets);
    basic.chain(header).chain(hmac).chain(&auth.verify_token)
}

#[derive(Clone, Debug, Default)]
pub struct KnownAccounts(HashMap<AccountId, KnownAccount>);

impl KnownAccounts {
    /// The configured accounts, and those that only the database still knows.
    pub fn new(configured: &[Account], stored: &[CallbackUrlRecord]) -> Self {
        let removed = stored.iter().map(|record| {
            let known = KnownAccount::removed(record.provider, record.generation);
            (record.account.clone(), known)
        });
        let configured = configured
            .iter()
            .map(|account| (account.id.clone(), KnownAccount::from(account)));
        removed.chain(configured).collect()
    }

    pub fn ids(&self) -> impl Iterator<Item = &AccountId> {
        self.0.keys()
    }

    pub fn find(&self, id: &AccountId) -> Option<&KnownAccount> {
        self.0.get(id)
    }
}

impl FromIterator<(AccountId, KnownAccount)> for KnownAccounts {
    /// The last account of an id wins: put removed accounts before configured ones.
    fn from_iter<I: IntoIterator<Item = (AccountId, KnownAccount)>>(accounts: I) -> Self {
        Self(accounts.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::account_with_defaults;
    use crate::domain::provider_account::Credentials;

    fn stored(id: &str, generation: u32) -> CallbackUrlRecord {
        CallbackUrlRecord {
            account: id.parse().unwrap(),
            provider: ProviderId::Kaleyra,
            generation,
        }
    }

    #[test]
    fn an_account_keeps_its_callback_url_when_it_is_removed_from_the_configuration() {
        let credentials = Credentials::Sobot {
            api_key: Secret::new("key"),
            api_secret: Secret::new("secret"),
        };
        let mut stays = account_with_defaults("stays".parse().unwrap(), credentials);
        stays.callback_generation = 2;
        stays.callback_auth.verify_token = Some(Secret::new("token"));
        let known = KnownAccounts::new(&[stays], &[stored("stays", 1), stored("left", 5)]);
        let find = |id: &str| known.find(&id.parse().unwrap()).cloned();
        let stays = find("stays").unwrap();
        assert_eq!((stays.provider, stays.generation), (ProviderId::Sobot, 2));
        assert_eq!(
            stays.secrets,
            ["secret", "key", "token"].map(Secret::new).to_vec()
        );
        assert_eq!(
            find("left"),
            Some(KnownAccount::removed(ProviderId::Kaleyra, 5))
        );
        assert_eq!(find("never"), None);
    }
}
