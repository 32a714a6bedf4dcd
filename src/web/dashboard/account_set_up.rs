//! Set-up progress of an account that has never received a callback.

use crate::db;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::reporting::number_format::ago;
use crate::services::Services;
use crate::store::Store;
use crate::store::messages::MessageFilter;

#[derive(Clone, Debug)]
pub(super) struct AccountSetUp {
    /// The callback URL has a local address, which the provider cannot reach.
    pub(super) is_local: bool,
    pub(super) url_check: Option<UrlCheckResult>,
    pub(super) message: Option<LatestMessage>,
    /// The provider accepted a message, which need not be the latest.
    pub(super) is_message_accepted: bool,
    /// The configuration file.
    pub(super) file: Option<String>,
    /// Keys of secrets, each with the environment variable that it comes from.
    pub(super) variables: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(super) struct LatestMessage {
    pub(super) url: String,
    pub(super) state: DeliveryState,
}

/// The states of a message that the provider accepted, so that reports are due. One that failed by a
/// report does not matter: the account has received a callback.
const ACCEPTED: [DeliveryState; 5] = [
    DeliveryState::Submitted,
    DeliveryState::Sent,
    DeliveryState::Delivered,
    DeliveryState::Read,
    DeliveryState::Played,
];

/// Result of the last check of the public URL.
#[derive(Clone, Debug)]
pub(super) struct UrlCheckResult {
    pub(super) ago: String,
    pub(super) problems: usize,
}

impl AccountSetUp {
    pub(super) fn new(is_local: bool) -> Self {
        Self {
            is_local,
            url_check: None,
            message: None,
            is_message_accepted: false,
            file: None,
            variables: Vec::new(),
        }
    }

    pub(super) async fn load(
        &mut self,
        services: &Services,
        account: &AccountId,
    ) -> Result<(), db::Error> {
        let public_url = &services.config.public_url;
        let check = services.store.find_url_check(public_url).await?;
        self.url_check = check.map(|check| UrlCheckResult {
            ago: ago(services.clock.now() - check.at),
            problems: check.problems,
        });
        self.file = config_file(services);
        let variables = services.config.variables_of(account).into_iter();
        self.variables = variables
            .map(|(key, variable)| (key.to_owned(), variable.to_owned()))
            .collect();
        self.message = find_latest_message(&services.store, account, &[]).await?;
        let accepted = find_latest_message(&services.store, account, &ACCEPTED).await?;
        self.is_message_accepted = accepted.is_some();
        Ok(())
    }

    pub(super) fn is_reachable(&self) -> bool {
        let passed = |check: &UrlCheckResult| check.problems == 0;
        !self.is_local && self.url_check.as_ref().is_some_and(passed)
    }
}

/// The file that the process read; `None` without one.
pub(super) fn config_file(services: &Services) -> Option<String> {
    let file = services.config.file.as_ref()?;
    Some(file.display().to_string())
}

async fn find_latest_message(
    store: &Store,
    account: &AccountId,
    states: &[DeliveryState],
) -> Result<Option<LatestMessage>, db::Error> {
    let filter = MessageFilter {
        account: Some(account.clone()),
        origin: Some(Origin::Api),
        states: states.to_vec(),
        ..MessageFilter::default()
    };
    let page = store.list_messages(&filter, None, 1).await?;
    Ok(page.messages.first().map(|message| LatestMessage {
        url: format!("/messages/{}", message.id),
        state: message.state,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_reachable_after_a_check_of_a_public_address_without_problems() {
        let checked = |is_local, problems| AccountSetUp {
            url_check: Some(UrlCheckResult {
                ago: "3 h ago".to_owned(),
                problems,
            }),
            ..AccountSetUp::new(is_local)
        };
        assert!(checked(false, 0).is_reachable());
        assert!(!checked(false, 1).is_reachable());
        assert!(!checked(true, 0).is_reachable());
        assert!(!AccountSetUp::new(false).is_reachable());
    }
}
