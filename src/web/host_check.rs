//! Rejects requests to the dashboard and the API whose `Host` is not a name of this server: a page
//! of another site could make its own name resolve to this server (DNS rebinding).

use std::net::IpAddr;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HOST};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use url::{Host, Url};

use crate::web::error::ApiError;
use crate::web::route_registration::{HEALTH_PATH, is_callback_path};

const READY_PATH: &str = "/readyz";

/// The names and addresses of this server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OwnHosts {
    /// In lower case.
    hosts: Vec<Host>,
    /// Whether the server listens on every address of the machine.
    any_address: bool,
}

impl OwnHosts {
    pub(super) fn new(public_url: &str, listen: &str) -> Self {
        let public = Url::parse(public_url)
            .ok()
            .and_then(|url| url.host().map(|host| host.to_owned()));
        let listened = parse_host(listen);
        let any_address = match &listened {
            Some(Host::Ipv4(address)) => address.is_unspecified(),
            Some(Host::Ipv6(address)) => address.is_unspecified(),
            Some(Host::Domain(_)) | None => false,
        };
        Self {
            hosts: [public, listened].into_iter().flatten().collect(),
            any_address,
        }
    }

    fn contains(&self, host: &Host) -> bool {
        self.hosts.contains(host)
            || match host {
                Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
                Host::Ipv4(address) => self.any_address || address.is_loopback(),
                Host::Ipv6(address) => {
                    self.any_address || IpAddr::V6(*address).to_canonical().is_loopback()
                }
            }
    }
}

/// Middleware. Callbacks and health checks are answered under every name. Requests with an
/// Authorization header are exempt: the token is checked later, and other sites do not know one.
pub(super) async fn check(
    own: web::Data<OwnHosts>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let path = request.path();
    let is_exempt = is_callback_path(path)
        || [HEALTH_PATH, READY_PATH].contains(&path)
        || request.headers().contains_key(AUTHORIZATION);
    let is_foreign = |value: &str| !parse_host(value).is_some_and(|host| own.contains(&host));
    let host_header = request.headers().get(HOST);
    // HTTP/1.0 requests may have no Host header.
    if !is_exempt && host_header.is_some_and(|host| host.to_str().map_or(true, is_foreign)) {
        return Ok(request.error_response(ApiError::UnknownHost));
    }
    next.call(request).await
}

/// The host of `host:port`.
fn parse_host(text: &str) -> Option<Host> {
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => text,
    };
    Host::parse(host.strip_suffix('.').unwrap_or(host)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(public_url: &str, listen: &str, host: &str) -> bool {
        let own = OwnHosts::new(public_url, listen);
        parse_host(host).is_some_and(|host| own.contains(&host))
    }

    #[test]
    fn a_server_accepts_its_own_names() {
        let url = "https://hooks.example.com/wa";
        let any = "0.0.0.0:8080";
        for (listen, host, known) in [
            (any, "hooks.example.com", true),
            (any, "HOOKS.example.com:443", true),
            (any, "hooks.example.com.", true),
            (any, "localhost:8080", true),
            (any, "127.0.0.9:8080", true),
            (any, "[::1]:8080", true),
            (any, "192.168.1.7:8080", true),
            (any, "evil.example:8080", false),
            (any, "hooks.example.com.evil.example", false),
            (any, "", false),
            ("192.168.1.7:8080", "192.168.1.7:8080", true),
            ("192.168.1.7:8080", "192.168.1.8:8080", false),
            ("127.0.0.1:8080", "10.0.0.1", false),
            ("[::]:8080", "[2001:db8::1]:8080", true),
            ("[::]:8080", "10.0.0.1", true),
            ("host.internal:8080", "host.internal:8080", true),
        ] {
            assert_eq!(accepts(url, listen, host), known, "{listen} {host}");
        }
    }
}
