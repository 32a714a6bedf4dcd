//! Builder of outbound HTTP clients, with the TLS implementation of this process.

pub mod address_rules;
pub mod guarded_fetch;
pub mod url_check_client;

use reqwest::ClientBuilder;

/// Ignores proxy settings of the environment. Installs ring, which PostgreSQL connections use as
/// well, so that no second TLS implementation is built.
pub fn builder() -> ClientBuilder {
    // An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}
