//! Valid settings that are probably not intended.

use crate::config::address::{Reachability, reachability};
use crate::config::configuration::Config;
use crate::domain::provider_account::AccountMode;

impl Config {
    /// One sentence per setting, beginning with the key.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        match reachability(&self.public_url) {
            Reachability::Loopback => warnings.push(format!(
                "public_url: {} can only be reached from this machine; no provider can call back",
                self.public_url
            )),
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
        warnings
    }
}
