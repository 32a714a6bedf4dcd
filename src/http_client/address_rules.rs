//! Which addresses, hosts and ports may be fetched when a caller names the URL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::IpNet;
use thiserror::Error;
use url::{Host, Url};

/// Why a URL is never fetched. The text does not reveal the address of a host name.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum UnfetchableUrl {
    #[error("has the scheme `{0}`; only http and https are fetched")]
    Scheme(String),
    #[error("has a user name or a password")]
    Credentials,
    #[error("has no host")]
    NoHost,
    #[error("has the port {0}; only 80, 443 and ports from 1024 are fetched")]
    Port(u16),
    #[error("has a host that is not public ({0})")]
    PrivateAddress(&'static str),
}

/// Networks of the IANA special-purpose registries that are not on the public Internet, and
/// addresses at which clouds serve secrets.
const NOT_PUBLIC: &[(&str, &str)] = &[
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "cloud metadata"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("64:ff9b:1::/48", "local NAT64"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
    // Includes Teredo, benchmarking and ORCHID.
    ("2001::/23", "protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("3fff::/20", "documentation"),
];

/// The only IPv6 addresses that are assigned on the public Internet.
const GLOBAL_UNICAST: &str = "2000::/3";
const LOCAL_NAMES: &[&str] = &["localhost", "local", "internal", "home.arpa", "localdomain"];

struct Networks {
    not_public: Vec<(IpNet, &'static str)>,
    global_unicast: Option<IpNet>,
}

static NETWORKS: LazyLock<Networks> = LazyLock::new(|| Networks {
    not_public: NOT_PUBLIC
        .iter()
        .filter_map(|(text, name)| Some((text.parse().ok()?, *name)))
        .collect(),
    global_unicast: GLOBAL_UNICAST.parse().ok(),
});

/// Public addresses, and networks that the operator allows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AddressRules {
    allowed: Vec<IpNet>,
}

impl AddressRules {
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Checks everything except the addresses of a host name. `Url` has already decoded unusual
    /// spellings of an address, such as `0x7f.1`.
    pub fn check_url(&self, url: &Url) -> Result<(), UnfetchableUrl> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UnfetchableUrl::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UnfetchableUrl::Credentials);
        }
        match url.port_or_known_default() {
            Some(80 | 443 | 1024..) => {}
            port => return Err(UnfetchableUrl::Port(port.unwrap_or_default())),
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => self.check_address(IpAddr::V6(address)),
            Some(Host::Domain(name)) => self.check_name(name),
            None => Err(UnfetchableUrl::NoHost),
        }
    }

    pub fn check_address(&self, address: IpAddr) -> Result<(), UnfetchableUrl> {
        let address = embedded_ipv4(address);
        if self
            .allowed
            .iter()
            .any(|network| network.contains(&address))
        {
            return Ok(());
        }
        let mut known = NETWORKS.not_public.iter();
        if let Some((_, name)) = known.find(|(network, _)| network.contains(&address)) {
            return Err(UnfetchableUrl::PrivateAddress(name));
        }
        let is_assigned = address.is_ipv4()
            || NETWORKS
                .global_unicast
                .is_some_and(|network| network.contains(&address));
        if is_assigned {
            Ok(())
        } else {
            Err(UnfetchableUrl::PrivateAddress("not assigned"))
        }
    }

    /// Rejects names that are only valid inside a network. With allowed networks they may be
    /// resolved, and their addresses are checked.
    fn check_name(&self, name: &str) -> Result<(), UnfetchableUrl> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name.is_empty() {
            return Err(UnfetchableUrl::NoHost);
        }
        let is_local = !name.contains('.')
            || LOCAL_NAMES
                .iter()
                .any(|suffix| name.ends_with(&format!(".{suffix}")));
        if is_local && self.allowed.is_empty() {
            return Err(UnfetchableUrl::PrivateAddress("a local name"));
        }
        Ok(())
    }
}

/// The IPv4 address inside a mapped (`::ffff:0:0/96`) or translated (NAT64, `64:ff9b::/96`) one.
fn embedded_ipv4(address: IpAddr) -> IpAddr {
    let IpAddr::V6(outer) = address else {
        return address;
    };
    let segments = outer.segments();
    let is_translated = segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let mapped = outer.to_ipv4_mapped();
    let inner = mapped.or_else(|| is_translated.then(|| last_four_bytes(outer)));
    inner.map_or(address, IpAddr::V4)
}

fn last_four_bytes(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_of_the_tables_is_parsed() {
        assert_eq!(NETWORKS.not_public.len(), NOT_PUBLIC.len());
        assert!(NETWORKS.global_unicast.is_some());
    }
}
