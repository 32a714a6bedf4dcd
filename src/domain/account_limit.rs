//! The accounts that a caller is limited to.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::domain::ids::{AccountId, NotAnAccountId};

/// Without a limit, which is the default, every account is allowed; a limit to no account allows
/// none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccountLimit(Option<Arc<BTreeSet<AccountId>>>);

impl AccountLimit {
    pub fn to(accounts: impl IntoIterator<Item = AccountId>) -> Self {
        Self(Some(Arc::new(accounts.into_iter().collect())))
    }

    pub fn is_limited(&self) -> bool {
        self.0.is_some()
    }

    pub fn allows(&self, account: &AccountId) -> bool {
        self.0
            .as_ref()
            .is_none_or(|accounts| accounts.contains(account))
    }

    /// `None` without a limit.
    pub fn accounts(&self) -> Option<&BTreeSet<AccountId>> {
        self.0.as_deref()
    }

    /// The account to filter by: the wanted one, else the only allowed one, so that the index of
    /// accounts is used. Does not check that the limit allows the wanted one.
    pub fn filter_account(&self, wanted: Option<AccountId>) -> Option<AccountId> {
        let only = || {
            let accounts = self.accounts().filter(|accounts| accounts.len() == 1)?;
            accounts.first().cloned()
        };
        wanted.or_else(only)
    }
}

/// Account ids, separated by commas.
impl fmt::Display for AccountLimit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, account) in self.accounts().into_iter().flatten().enumerate() {
            if index > 0 {
                out.write_str(",")?;
            }
            account.fmt(out)?;
        }
        Ok(())
    }
}

impl FromStr for AccountLimit {
    type Err = NotAnAccountId;

    fn from_str(text: &str) -> Result<Self, NotAnAccountId> {
        let ids = text.split(',').map(str::trim);
        let accounts: Result<Vec<AccountId>, NotAnAccountId> = ids.map(str::parse).collect();
        Ok(Self::to(accounts?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_allows_its_accounts_and_no_limit_allows_all() {
        let limit: AccountLimit = "shop-b, shop-a".parse().unwrap();
        let id = |text: &str| text.parse::<AccountId>().unwrap();
        assert_eq!(limit.to_string(), "shop-a,shop-b");
        assert!(limit.allows(&id("shop-a")) && !limit.allows(&id("shop-c")));
        assert_eq!(limit.filter_account(None), None);
        assert_eq!(limit.filter_account(Some(id("shop-c"))), Some(id("shop-c")));
        let only: AccountLimit = "shop-a".parse().unwrap();
        assert_eq!(only.filter_account(None), Some(id("shop-a")));
        let none = AccountLimit::default();
        assert!(!none.is_limited() && none.allows(&id("shop-c")));
        assert!(!AccountLimit::to([]).allows(&id("shop-c")));
        for bad in ["", "Shop", "shop-a,"] {
            assert!(bad.parse::<AccountLimit>().is_err(), "{bad}");
        }
    }
}
