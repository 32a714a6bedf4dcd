//! Requests URLs that callers name, but only at public addresses.
//!
//! Every host name is resolved once per request. Its addresses are checked, and the connection goes
//! to one of the checked ones, so a later change of the DNS answer has no effect. Each redirect is
//! a new request with all checks.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderMap;
use reqwest::{Client, Response, StatusCode, redirect};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::http_client;
use crate::http_client::address_rules::{AddressRules, UnfetchableUrl};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REDIRECT_LIMIT: usize = 5;

#[derive(Debug, Error)]
pub enum FetchError {
    #[error("{0}")]
    Refused(#[source] UnfetchableUrl),
    #[error("redirects to a URL that {0}")]
    RefusedRedirect(#[source] UnfetchableUrl),
    #[error("has an invalid redirect")]
    InvalidRedirect,
    #[error("redirects more than {REDIRECT_LIMIT} times")]
    TooManyRedirects,
    #[error("did not answer in time")]
    TimedOut,
    /// The text does not contain the URL.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
}

/// Finds the addresses of a host.
pub trait HostLookup: Send + Sync {
    fn look_up(&self, host: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// Through the system's resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemLookup;

impl HostLookup for SystemLookup {
    fn look_up(&self, host: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) })
    }
}

#[derive(Clone)]
pub struct GuardedClient {
    client: Client,
    rules: Arc<AddressRules>,
}

impl GuardedClient {
    pub fn new(rules: AddressRules) -> Result<Self, reqwest::Error> {
        Self::with_lookup(rules, Arc::new(SystemLookup))
    }

    pub fn with_lookup(
        rules: AddressRules,
        lookup: Arc<dyn HostLookup>,
    ) -> Result<Self, reqwest::Error> {
        let rules = Arc::new(rules);
        let resolver = CheckedResolver {
            lookup,
            rules: Arc::clone(&rules),
        };
        let client = http_client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .dns_resolver(Arc::new(resolver))
            // A pooled connection would be used without a new check of its host.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("bluetick/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, rules })
    }

    /// Posts a body with these headers and returns the status. A redirect is not followed.
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: String,
        deadline: Instant,
    ) -> Result<StatusCode, FetchError> {
        self.rules.check_url(url).map_err(FetchError::Refused)?;
        let request = self.client.post(url.clone()).headers(headers).body(body);
        let response = timeout_at(deadline, request.send())
            .await
            .map_err(|_| FetchError::TimedOut)?
            .map_err(|error| fetch_error(&error))?;
        Ok(response.status())
    }

    /// The response without its body, which the caller reads until the same deadline.
    pub async fn get(&self, url: &Url, deadline: Instant) -> Result<Response, FetchError> {
        self.rules.check_url(url).map_err(FetchError::Refused)?;
        let mut url = url.clone();
        for _ in 0..=REDIRECT_LIMIT {
            let request = self.client.get(url.clone()).send();
            let response = timeout_at(deadline, request)
                .await
                .map_err(|_| FetchError::TimedOut)?
                .map_err(|error| fetch_error(&error))?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let Some(location) = response.headers().get("location") else {
                return Ok(response);
            };
            let target = location.to_str().ok().and_then(|text| url.join(text).ok());
            url = target.ok_or(FetchError::InvalidRedirect)?;
            self.rules
                .check_url(&url)
                .map_err(FetchError::RefusedRedirect)?;
        }
        Err(FetchError::TooManyRedirects)
    }
}

impl fmt::Debug for GuardedClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "GuardedClient({:?})", self.rules)
    }
}

struct CheckedResolver {
    lookup: Arc<dyn HostLookup>,
    rules: Arc<AddressRules>,
}

impl Resolve for CheckedResolver {
    /// Fails if any address is refused: a host with both refused and allowed addresses could switch
    /// between them.
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.lookup.look_up(name.as_str().to_owned());
        let rules = Arc::clone(&self.rules);
        Box::pin(async move {
            let addresses = found.await?;
            for address in &addresses {
                rules.check_address(address.ip())?;
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// The innermost cause; the outer ones contain the URL.
pub fn fetch_error(error: &reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::TimedOut;
    }
    let mut cause: &dyn std::error::Error = error;
    loop {
        if let Some(refused) = cause.downcast_ref::<UnfetchableUrl>() {
            return FetchError::Refused(refused.clone());
        }
        match cause.source() {
            Some(inner) => cause = inner,
            None => return FetchError::Unreachable(cause.to_string()),
        }
    }
}
