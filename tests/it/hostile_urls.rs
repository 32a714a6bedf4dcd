//! URLs that a caller names are fetched from public addresses only.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bluetick::http_client::address_rules::AddressRules;
use bluetick::http_client::guarded_fetch::{FetchError, GuardedClient, HostLookup};
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use url::Url;
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// URLs, with a word of the reason.
const HOSTILE: &[(&str, &str)] = &[
    // Plain addresses of networks that are not public.
    ("http://127.0.0.1/", "loopback"),
    ("http://127.255.255.254:8080/", "loopback"),
    ("http://0.0.0.0/", "this network"),
    ("http://0.1.2.3/", "this network"),
    ("http://10.0.0.1/", "private"),
    ("http://172.16.0.1/", "private"),
    ("http://172.31.255.255/", "private"),
    ("http://192.168.1.1/", "private"),
    ("http://100.64.0.1/", "carrier-grade NAT"),
    ("http://100.127.255.255/", "carrier-grade NAT"),
    ("http://169.254.1.1/", "link-local"),
    ("http://192.0.0.8/", "protocol assignments"),
    ("http://192.0.2.1/", "documentation"),
    ("http://198.18.0.1/", "benchmarking"),
    ("http://198.51.100.1/", "documentation"),
    ("http://203.0.113.1/", "documentation"),
    ("http://192.88.99.1/", "6to4 relay"),
    ("http://224.0.0.1/", "multicast"),
    ("http://255.255.255.255/", "reserved"),
    // Metadata services of clouds.
    ("http://169.254.169.254/latest/meta-data/", "link-local"),
    ("http://169.254.170.2/v2/credentials", "link-local"),
    ("http://100.100.100.200/", "carrier-grade NAT"),
    ("http://168.63.129.16/", "cloud metadata"),
    ("http://192.0.0.192/", "protocol assignments"),
    ("http://[fd00:ec2::254]/", "unique local"),
    ("http://metadata.google.internal/", "local name"),
    // Odd spellings of 127.0.0.1 and 10.0.0.1.
    ("http://2130706433/", "loopback"),
    ("http://0x7f000001/", "loopback"),
    ("http://0x7f.1/", "loopback"),
    ("http://0177.0.0.1/", "loopback"),
    ("http://127.1/", "loopback"),
    ("http://127.0.0.1./", "loopback"),
    ("http://012.0.0.1/", "private"),
    ("http://%31%30.0.0.1/", "private"),
    ("http://１２７.０.０.１/", "loopback"),
    ("http://①②⑦.⓪.⓪.①/", "loopback"),
    ("http://127。0。0。1/", "loopback"),
    ("http:\\\\127.0.0.1\\a", "loopback"),
    ("http:/127.0.0.1/", "loopback"),
    // IPv6, and IPv4 inside it.
    ("http://[::1]/", "loopback"),
    ("http://[::]/", "unspecified"),
    ("http://[0:0:0:0:0:0:0:1]/", "loopback"),
    ("http://[::ffff:127.0.0.1]/", "loopback"),
    ("http://[::ffff:a00:1]/", "private"),
    ("http://[::127.0.0.1]/", "not assigned"),
    ("http://[64:ff9b::10.0.0.1]/", "private"),
    ("http://[64:ff9b:1::a00:1]/", "local NAT64"),
    ("http://[2002:7f00:1::]/", "6to4"),
    (
        "http://[2001:0:4136:e378:8000:63bf:f5ff:fffe]/",
        "protocol assignments",
    ),
    ("http://[fc00::1]/", "unique local"),
    ("http://[fe80::1]/", "link-local"),
    ("http://[fec0::1]/", "site-local"),
    ("http://[ff02::1]/", "multicast"),
    ("http://[2001:db8::1]/", "documentation"),
    ("http://[4000::1]/", "not assigned"),
    // Names that mean something inside a network only.
    ("http://localhost/", "local name"),
    ("http://LOCALHOST./", "local name"),
    ("http://a.localhost/", "local name"),
    ("http://printer.local/", "local name"),
    ("http://intranet/", "local name"),
    ("http://nas.home.arpa/", "local name"),
    // Other schemes, ports and parts.
    ("file:///etc/passwd", "scheme"),
    ("ftp://media.example.com/a.jpg", "scheme"),
    ("gopher://media.example.com/", "scheme"),
    ("data:image/png;base64,AAAA", "scheme"),
    ("http://user@media.example.com/", "user name"),
    ("http://media.example.com@127.0.0.1/", "user name"),
    ("http://media.example.com:22/", "port 22"),
    ("http://media.example.com:25/", "port 25"),
    ("http://media.example.com:0/", "port 0"),
];

const PUBLIC: &[&str] = &[
    "https://media.example.com/a.jpg",
    "http://media.example.com:8080/a.jpg",
    "https://93.184.216.34/",
    "http://172.32.0.1/",
    "http://100.128.0.1/",
    "http://[2606:2800:220:1::1]/",
    "http://[::ffff:93.184.216.34]/",
    "http://[64:ff9b::93.184.216.34]/",
];

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[test]
fn every_hostile_url_is_refused_with_its_reason() {
    let rules = AddressRules::default();
    assert!(HOSTILE.len() >= 40);
    for (text, word) in HOSTILE {
        let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let refused = rules.check_url(&url).expect_err(text);
        assert!(refused.to_string().contains(word), "{text}: {refused}");
    }
    for text in PUBLIC {
        let url = Url::parse(text).unwrap();
        assert_eq!(rules.check_url(&url), Ok(()), "{text}");
    }
}

/// Answers with these addresses, one list after the other, and counts.
struct Answers {
    lists: Mutex<Vec<Vec<SocketAddr>>>,
    asked: AtomicUsize,
}

impl Answers {
    fn new(lists: &[&[&str]]) -> Arc<Self> {
        let lists = lists.iter().rev().map(|list| {
            let addresses = list.iter().map(|text| text.parse().unwrap());
            addresses.collect()
        });
        Arc::new(Self {
            lists: Mutex::new(lists.collect()),
            asked: AtomicUsize::new(0),
        })
    }
}

impl HostLookup for Answers {
    fn look_up(&self, _host: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let list = self.lists.lock().unwrap().pop();
        Box::pin(async move { list.ok_or_else(|| io::Error::other("no such host")) })
    }
}

fn guarded(allowed: &[&str], answers: &Arc<Answers>) -> GuardedClient {
    let networks = allowed.iter().map(|text| text.parse().unwrap()).collect();
    let rules = AddressRules::new(networks);
    GuardedClient::with_lookup(rules, Arc::clone(answers) as Arc<dyn HostLookup>).unwrap()
}

#[actix_web::test]
async fn a_name_that_stands_for_a_private_address_is_refused() {
    for list in [
        &["10.0.0.7:0"][..],
        &["[::1]:0"],
        &["[::ffff:192.168.0.1]:0"],
        // One public address does not hide the private one.
        &["93.184.216.34:0", "127.0.0.1:0"],
    ] {
        let answers = Answers::new(&[list]);
        let client = guarded(&[], &answers);
        let url = Url::parse("http://rebind.example.com/").unwrap();
        let error = client.get(&url, soon()).await.unwrap_err();
        assert!(matches!(error, FetchError::Refused(_)), "{error:?}");
        // Callers do not learn the addresses of a network.
        assert!(!error.to_string().contains("10.0.0.7"), "{error}");
    }
}

#[actix_web::test]
async fn the_checked_address_is_the_one_that_is_connected_to() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let here = format!("127.0.0.1:{}", server.address().port());
    let answers = Answers::new(&[&["127.0.0.1:0"], &["10.0.0.1:0"]]);
    let client = guarded(&["127.0.0.1/32"], &answers);
    let url = format!("http://rebind.example.com:{}/", server.address().port());
    let url = Url::parse(&url).unwrap();
    let response = client.get(&url, soon()).await.unwrap();
    assert_eq!(response.remote_addr().unwrap().to_string(), here);
    assert_eq!(answers.asked.load(Ordering::Relaxed), 1);
    // The next request asks again, and no pooled connection is used for it.
    let error = client.get(&url, soon()).await.unwrap_err();
    assert!(matches!(error, FetchError::Refused(_)), "{error:?}");
}

#[actix_web::test]
async fn every_redirect_is_checked_again() {
    let server = MockServer::start().await;
    let targets = [
        "http://127.0.0.2/",
        "http://169.254.169.254/latest/meta-data/",
        "//10.0.0.1/a",
        "http://[::1]/",
        "file:///etc/passwd",
        "http://2130706434/",
    ];
    for (number, target) in targets.iter().enumerate() {
        let reply = ResponseTemplate::new(302).insert_header("location", *target);
        let mock = Mock::given(path(format!("/{number}"))).respond_with(reply);
        mock.mount(&server).await;
    }
    let answers = Answers::new(&[]);
    let client = guarded(&["127.0.0.1/32"], &answers);
    for (number, target) in targets.iter().enumerate() {
        let url = Url::parse(&format!("{}/{number}", server.uri())).unwrap();
        let error = client.get(&url, soon()).await.unwrap_err();
        assert!(
            matches!(error, FetchError::RefusedRedirect(_)),
            "{target}: {error:?}"
        );
    }
    assert_eq!(
        server.received_requests().await.unwrap().len(),
        targets.len()
    );
}

#[actix_web::test]
async fn a_redirect_to_a_name_with_a_private_address_is_refused() {
    let server = MockServer::start().await;
    let reply = ResponseTemplate::new(307).insert_header("location", "http://inside.example.com/");
    Mock::given(any()).respond_with(reply).mount(&server).await;
    let answers = Answers::new(&[&["192.168.7.7:0"]]);
    let client = guarded(&["127.0.0.1/32"], &answers);
    let url = Url::parse(&server.uri()).unwrap();
    let error = client.get(&url, soon()).await.unwrap_err();
    assert!(matches!(error, FetchError::Refused(_)), "{error:?}");
}
