//! Valid settings that are probably not intended.

use url::Url;

use crate::config::address::{Reachability, reachability};
use crate::config::configuration::Config;
use crate::domain::alert::{AlertKind, AlertRule};
use crate::domain::provider_account::{Account, AccountMode};

impl Config {
    /// One sentence per setting, beginning with the key.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        match reachability(&self.public_url) {
            Reachability::Loopback => {
                warnings.push(format!(
                    "public_url: {} can only be reached from this machine; no provider can call back",
                    self.public_url
                ));
                warnings.extend(self.port_warning());
            }
            Reachability::PrivateNetwork => warnings.push(format!(
                "public_url: {} can only be reached from a private network; no provider can call back",
                self.public_url
            )),
            Reachability::Public if self.public_url.starts_with("http://") => warnings.push(
                "public_url: is http; callbacks and sign-ins travel unencrypted".to_owned(),
            ),
            Reachability::Public => {}
        }
        for (index, account) in self.accounts.iter().enumerate() {
            if let Some(base_url) = &account.base_url
                && base_url.starts_with("http://")
            {
                warnings.push(format!(
                    "accounts[{index}].base_url: is http; {}'s keys travel unencrypted",
                    account.id
                ));
            }
            if account.mode == AccountMode::DryRun {
                warnings.push(format!(
                    "accounts[{index}].mode: is dry-run; {} submits nothing to {}",
                    account.id,
                    account.provider()
                ));
            }
        }
        warnings.extend(self.unreplaced_variables.iter().map(|key| {
            format!(
                "{key}: looks like a variable that was not replaced; to read an environment variable write \"env:NAME\""
            )
        }));
        for (index, rule) in self.alerts.iter().enumerate() {
            warnings.extend(self.alert_warning(index, rule));
        }
        warnings
    }

    /// The warning about a public URL of this machine with another port than the one listened on.
    fn port_warning(&self) -> Option<String> {
        // Callbacks may have a port of their own.
        if self.callback_listen.is_some() {
            return None;
        }
        let public = Url::parse(&self.public_url).ok()?.port_or_known_default()?;
        let listen: u16 = self.listen.rsplit_once(':')?.1.parse().ok()?;
        // Port 0 is any free one.
        let differs = listen != 0 && listen != public;
        differs.then(|| {
            format!(
                "public_url: has port {public}, but `listen` has port {listen}; links lead to another program, unless it is a proxy"
            )
        })
    }

    /// The warning about an alert that can never begin.
    fn alert_warning(&self, index: usize, rule: &AlertRule) -> Option<String> {
        let ids = self.accounts.iter().map(|account| account.id.as_str());
        let ids: Vec<&str> = ids.collect();
        if let Some(account) = &rule.account
            && !ids.contains(&account.as_str())
        {
            let known = match ids.as_slice() {
                [] => "no account is configured".to_owned(),
                ids => format!("the accounts are {}", ids.join(", ")),
            };
            return Some(format!(
                "alerts[{index}].account: `{account}` is not the id of an account, so the alert never begins; {known}"
            ));
        }
        if rule.kind != AlertKind::Budget || rule.threshold > 0.0 || self.has_budget(rule) {
            return None;
        }
        let unlimited = match &rule.account {
            Some(account) => format!("{account} has no monthly_budget"),
            None => "there is no monthly_budget".to_owned(),
        };
        Some(format!(
            "alerts[{index}].kind: is budget, but {unlimited}, so the alert never begins; set monthly_budget, or alerts[{index}].threshold to an amount"
        ))
    }

    /// Whether there is a budget that the alert watches.
    fn has_budget(&self, rule: &AlertRule) -> bool {
        let is_watched =
            |account: &Account| rule.account.as_ref().is_none_or(|id| *id == account.id);
        let mut watched = self.accounts.iter().filter(|account| is_watched(account));
        watched.any(|account| account.monthly_budget.is_some())
            || rule.account.is_none() && self.monthly_budget.is_some()
    }
}
