//! The address of the client, behind trusted proxies as they report it: for the audit log, sessions
//! and limits.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, X_FORWARDED_FOR};
use ipnet::IpNet;

/// Bits of an IPv6 address that identify a network; one client may use all addresses in it.
const NETWORK_BITS: u32 = 64;

/// Shared as `web::Data`.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(pub(crate) Vec<IpNet>);

/// The peer, or the client that the nearest trusted proxies name.
pub(crate) fn client_address(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let trusted = request.app_data::<actix_web::web::Data<TrustedProxies>>();
    Some(match trusted {
        Some(trusted) => trusted.client(peer, request.headers()),
        None => peer,
    })
}

/// The key by which a client's attempts are counted: the address, or the network of an IPv6 address.
pub(super) fn rate_limit_key(address: Option<IpAddr>) -> String {
    match address {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let mask = u128::MAX << (128 - NETWORK_BITS);
            Ipv6Addr::from_bits(address.to_bits() & mask).to_string()
        }
        None => String::new(),
    }
}

impl TrustedProxies {
    /// Starts at the peer and follows the header backwards as long as the address is a trusted proxy:
    /// what a client wrote into the header itself comes before the addresses that proxies appended.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        for address in named_addresses(headers).into_iter().rev() {
            if !self.contains(client) {
                break;
            }
            let Some(address) = address else { break };
            client = address;
        }
        client
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// In the order of the header, nearest proxy last; `None` for a part that is not an address. `X-Forwarded-For`
/// wins: proxies that write it pass on a `Forwarded` that the client wrote.
fn named_addresses(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let read = |name, parse: fn(&str) -> Option<IpAddr>| -> Vec<Option<IpAddr>> {
        let mut addresses = Vec::new();
        for value in headers.get_all(name) {
            // A part that is not UTF-8 does not hide the others.
            let text = String::from_utf8_lossy(value.as_bytes());
            addresses.extend(text.split(',').map(|part| parse(part.trim())));
        }
        addresses
    };
    let x_forwarded_for = read(X_FORWARDED_FOR, parse_node);
    if x_forwarded_for.is_empty() {
        read(FORWARDED, forwarded_for)
    } else {
        x_forwarded_for
    }
}

/// `for=` of an element such as `for=192.0.2.1;proto=https`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut parameters = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    parse_node(node.trim().trim_matches('"'))
}

/// An address, with or without port.
fn parse_node(text: &str) -> Option<IpAddr> {
    let address = text.parse().ok();
    let with_port = || {
        let socket: std::net::SocketAddr = text.parse().ok()?;
        Some(socket.ip())
    };
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address: Option<IpAddr> = address.or_else(with_port).or_else(in_brackets);
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn client(trusted: &[&str], peer: &str, name: HeaderName, value: &str) -> String {
        let networks = trusted.iter().map(|text| text.parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.append(name, HeaderValue::from_str(value).unwrap());
        let trusted = TrustedProxies(networks.collect());
        trusted.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_trusted_proxies_name_the_client() {
        let proxies = ["127.0.0.1/32", "10.0.0.0/8"];
        for (peer, value, expected) in [
            ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
            ("203.0.113.9", "203.0.113.7", "203.0.113.9"),
            // The client wrote the first one itself.
            ("127.0.0.1", "1.1.1.1, 203.0.113.7", "203.0.113.7"),
            ("127.0.0.1", "203.0.113.7, 10.1.2.3", "203.0.113.7"),
            ("127.0.0.1", "unknown", "127.0.0.1"),
            ("127.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
            ("127.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
            ("127.0.0.1", "", "127.0.0.1"),
        ] {
            assert_eq!(
                client(&proxies, peer, X_FORWARDED_FOR, value),
                expected,
                "{peer} {value}"
            );
        }
        assert_eq!(
            client(&[], "127.0.0.1", X_FORWARDED_FOR, "203.0.113.7"),
            "127.0.0.1"
        );
    }

    #[test]
    fn the_header_forwarded_is_parsed() {
        for (value, expected) in [
            ("for=203.0.113.7;proto=https;by=10.0.0.1", "203.0.113.7"),
            ("For=\"[2001:db8::7]:4711\"", "2001:db8::7"),
            ("for=1.1.1.1, for=203.0.113.7", "203.0.113.7"),
            ("for=_hidden", "127.0.0.1"),
        ] {
            assert_eq!(
                client(&["127.0.0.1/32"], "127.0.0.1", FORWARDED, value),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let key = |text: &str| rate_limit_key(Some(text.parse().unwrap()));
        assert_eq!(key("2001:db8:1:2:3::4"), "2001:db8:1:2::");
        assert_eq!(key("2001:db8:1:2::9"), "2001:db8:1:2::");
        assert_eq!(key("192.0.2.7"), "192.0.2.7");
    }
}
