//! Parsers for `listen`, `public_url`, `base_url` and `database_url`; whether the host of a URL is on
//! this machine, in a private network or public.

use std::net::IpAddr;
use std::path::PathBuf;

use url::{Host, ParseError, Url};

use crate::domain::provider_account::Account;

/// Parses an http(s) URL without user, query or fragment; drops a trailing slash. Errors do not show
/// a password.
pub(super) fn parse_http_url(text: &str) -> Result<String, String> {
    let shown = if text.contains('@') {
        "the value".to_owned()
    } else {
        format!("`{text}`")
    };
    let wrong_scheme = || format!("{shown} must begin with http:// or https://");
    let url = Url::parse(text).map_err(|error| match error {
        ParseError::RelativeUrlWithoutBase => wrong_scheme(),
        error => format!("{shown} is not a URL: {error}"),
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong_scheme());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{shown} must not have a query or a fragment"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Parses `host:port`, with an IPv6 host in brackets.
pub(super) fn parse_listen(text: &str) -> Result<String, String> {
    let invalid = || format!("`{text}` is not an address and port such as 127.0.0.1:8080");
    let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
    let is_valid = Host::parse(host).is_ok() && port.parse::<u16>().is_ok();
    if is_valid {
        Ok(text.to_owned())
    } else {
        Err(invalid())
    }
}

/// Parses `sqlite://PATH` or `postgres://…`. Errors never show the text: it may contain a password.
pub(super) fn parse_database_url(
    text: &str,
    resolve_path: impl FnOnce(&str) -> PathBuf,
) -> Result<String, String> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return match Url::parse(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(format!("is not a URL: {error}")),
        };
    }
    let Some(path) = text.strip_prefix("sqlite:") else {
        return Err("must begin with sqlite:// or postgres://".to_owned());
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.contains('?') {
        return Err("must not have a query string (`?…`); write sqlite://PATH".to_owned());
    }
    if path.is_empty() || path.contains(":memory:") {
        return Err("must name a file: sqlite://PATH".to_owned());
    }
    Ok(format!("sqlite://{}", resolve_path(path).display()))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reachability {
    /// Also an unspecified address such as `0.0.0.0`.
    Loopback,
    PrivateNetwork,
    /// A public address, or a name, which is not resolved. Also a text that is not a URL.
    Public,
}

/// From where the host of a URL can be reached.
pub fn reachability(url: &str) -> Reachability {
    let Ok(url) = Url::parse(url) else {
        return Reachability::Public;
    };
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).to_canonical(),
        Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => {
            return Reachability::Loopback;
        }
        _ => return Reachability::Public,
    };
    let is_private = match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    if ip.is_loopback() || ip.is_unspecified() {
        Reachability::Loopback
    } else if is_private {
        Reachability::PrivateNetwork
    } else {
        Reachability::Public
    }
}

/// Whether the provider of every account is on this machine, as a simulated one is.
pub fn are_providers_local(accounts: &[Account]) -> bool {
    let is_local = |account: &Account| {
        let base_url = account.base_url.as_deref();
        base_url.is_some_and(|url| reachability(url) == Reachability::Loopback)
    };
    !accounts.is_empty() && accounts.iter().all(is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_does_not_show_a_password() {
        for text in [
            "https://user:secret@example.com",
            "ftp://user:secret@example.com",
            "user:secret@example.com",
            "https://user:secret@exa mple",
            "https://user:secret/ret@example.com",
            "https://user:secret#cret@example.com",
            "ftp:/user:secret@example.com",
            "https:///user:secret@exa mple",
        ] {
            let error = parse_http_url(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_local_or_private_address_is_not_public() {
        for (address, expected) in [
            ("http://127.0.0.1:8080", Reachability::Loopback),
            ("http://localhost:8080/base", Reachability::Loopback),
            ("http://[::1]:80", Reachability::Loopback),
            ("http://[::ffff:127.0.0.1]:80", Reachability::Loopback),
            ("http://192.168.1.10:8080", Reachability::PrivateNetwork),
            ("https://hooks.example.com", Reachability::Public),
        ] {
            assert_eq!(reachability(address), expected, "{address}");
        }
    }
}
