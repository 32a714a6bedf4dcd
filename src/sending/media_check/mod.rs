//! Checks the media of a message before it is accepted: fetches the file once, inspects it, and
//! lists the rules that it breaks.
//!
//! Concurrent fetches, waiting checks, and the bytes and time of a fetch are bounded. The result of
//! a URL is cached for some minutes; a host that did not answer is not asked again for a short time.

mod image_properties;
pub(crate) mod inspection;
mod media_download;
mod url_state;
mod video_properties;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use tokio::sync::Semaphore;
use url::Url;

use crate::domain::media::{MediaKind, mime_type_of_extension};
use crate::domain::media_rules::{MediaFinding, MediaLabels, MediaRule, MediaUse, list_findings};
use crate::domain::provider::ProviderId;
use crate::http_client::guarded_fetch::GuardedClient;
use crate::providers;
use crate::sending::media_check::url_state::UrlState;

/// Concurrent fetches; each has a file of up to 17 MiB.
const MAX_FETCHES: usize = 8;
/// Checks that wait or run; more are not started.
const MAX_CHECKS: usize = 256;
const CACHED_URLS: u64 = 1_000;
const CACHED_FOR: Duration = Duration::from_mins(5);
/// Short, because the URL may soon be corrected.
const FAILURE_CACHED_FOR: Duration = Duration::from_secs(30);

/// What a file is used for, as its caller says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaPurpose<'a> {
    /// Absent if any kind is allowed.
    pub kind: Option<MediaKind>,
    pub mime_type: Option<&'a str>,
    /// Whose limits apply; absent means WhatsApp's.
    pub provider: Option<ProviderId>,
}

#[derive(Clone, Debug)]
pub struct MediaChecker(Arc<CheckerState>);

#[derive(Debug)]
struct CheckerState {
    client: GuardedClient,
    /// Holds files while they are fetched and inspected.
    folder: PathBuf,
    fetches: Semaphore,
    waiting: AtomicUsize,
    urls: Cache<String, Arc<UrlState>>,
    /// Hosts that did not answer, or not within a caller's `max_wait`.
    unresponsive_hosts: Cache<String, MediaFinding>,
    /// URLs whose fetch has begun; others wait for a permit.
    begun_urls: Cache<String, ()>,
}

impl MediaChecker {
    pub fn new(client: GuardedClient, folder: PathBuf) -> Self {
        Self(Arc::new(CheckerState {
            client,
            folder,
            fetches: Semaphore::new(MAX_FETCHES),
            waiting: AtomicUsize::new(0),
            urls: Cache::builder()
                .max_capacity(CACHED_URLS)
                .expire_after(ExpiryByOutcome)
                .build(),
            unresponsive_hosts: short_lived_cache(),
            begun_urls: short_lived_cache(),
        }))
    }

    /// Every rule that the file at this URL breaks. After `max_wait` the check continues, so that
    /// the next caller gets its result.
    pub async fn check_url(
        &self,
        text: &str,
        purpose: MediaPurpose<'_>,
        max_wait: Duration,
    ) -> Vec<MediaFinding> {
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => {
                return vec![MediaFinding::new(
                    MediaRule::Url,
                    format!("it is not a URL: {error}"),
                )];
            }
        };
        let not_checked = |reason: String| vec![MediaFinding::new(MediaRule::Checked, reason)];
        let host = url.host_str().unwrap_or_default().to_owned();
        if !self.0.urls.contains_key(url.as_str())
            && let Some(finding) = self.0.unresponsive_hosts.get(&host).await
        {
            return vec![finding];
        }
        let Some(waiting) = self.begin() else {
            return not_checked(
                "the media was not checked: too many checks are waiting".to_owned(),
            );
        };
        let checked_url = url.to_string();
        let checker = self.clone();
        let task = tokio::spawn(async move {
            let _waiting = waiting;
            checker.find_state(url).await
        });
        match tokio::time::timeout(max_wait, task).await {
            Ok(Ok(state)) => findings_of(&state, purpose),
            Ok(Err(_)) => not_checked("the media was not checked: the check failed".to_owned()),
            Err(_) => {
                let finding = MediaFinding::new(
                    MediaRule::Checked,
                    format!(
                        "the media was not checked: its host did not deliver it within {} s",
                        max_wait.as_secs()
                    ),
                );
                // Only one request waits for a slow host.
                if self.0.begun_urls.contains_key(&checked_url) {
                    self.0
                        .unresponsive_hosts
                        .insert(host, finding.clone())
                        .await;
                }
                vec![finding]
            }
        }
    }

    fn begin(&self) -> Option<WaitingCheck> {
        let waiting = WaitingCheck(Arc::clone(&self.0));
        let before = self.0.waiting.fetch_add(1, Ordering::Relaxed);
        (before < MAX_CHECKS).then_some(waiting)
    }

    async fn find_state(&self, url: Url) -> Arc<UrlState> {
        let state = &self.0;
        let key = url.to_string();
        let fetched = state.urls.get_with(key, async {
            let host = url.host_str().unwrap_or_default().to_owned();
            // The semaphore is never closed.
            let _permit = state.fetches.acquire().await;
            if let Some(finding) = state.unresponsive_hosts.get(&host).await {
                return Arc::new(UrlState::Failed(finding));
            }
            state.begun_urls.insert(url.to_string(), ()).await;
            let fetched = media_download::fetch(&state.client, &url, &state.folder).await;
            match &fetched {
                UrlState::Failed(finding) if finding.rule == MediaRule::Reachable => {
                    state.unresponsive_hosts.insert(host, finding.clone()).await;
                }
                _ => state.unresponsive_hosts.invalidate(&host).await,
            }
            Arc::new(fetched)
        });
        fetched.await
    }
}

/// A cache whose entries live as long as a cached failure.
fn short_lived_cache<T: Clone + Send + Sync + 'static>() -> Cache<String, T> {
    Cache::builder()
        .max_capacity(CACHED_URLS)
        .time_to_live(FAILURE_CACHED_FOR)
        .build()
}

/// Counted until it is dropped.
struct WaitingCheck(Arc<CheckerState>);

impl Drop for WaitingCheck {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

struct ExpiryByOutcome;

impl Expiry<String, Arc<UrlState>> for ExpiryByOutcome {
    fn expire_after_create(
        &self,
        _url: &String,
        state: &Arc<UrlState>,
        _now: Instant,
    ) -> Option<Duration> {
        Some(match **state {
            UrlState::Fetched { .. } => CACHED_FOR,
            UrlState::Failed(_) => FAILURE_CACHED_FOR,
        })
    }
}

/// Every rule that a file on disk breaks; its name is checked too, if it has one.
pub async fn check_file(
    path: &Path,
    name: Option<&str>,
    purpose: MediaPurpose<'_>,
) -> Result<Vec<MediaFinding>, std::io::Error> {
    let path = path.to_owned();
    let inspected = tokio::task::spawn_blocking(move || inspection::inspect(&path)).await;
    let file = inspected.map_err(std::io::Error::other)??;
    let labels = MediaLabels {
        extension_type: name.and_then(mime_type_of_extension),
        content_type: None,
    };
    Ok(list_findings(&labels, &file, &usage(purpose)))
}

fn findings_of(state: &UrlState, purpose: MediaPurpose<'_>) -> Vec<MediaFinding> {
    match state {
        UrlState::Failed(finding) => vec![finding.clone()],
        UrlState::Fetched {
            labels,
            file,
            findings,
        } if findings.is_empty() => list_findings(labels, file, &usage(purpose)),
        UrlState::Fetched { findings, .. } => findings.clone(),
    }
}

fn usage(purpose: MediaPurpose<'_>) -> MediaUse<'_> {
    let provider = purpose.provider.unwrap_or(ProviderId::Sobot);
    MediaUse {
        kind: purpose.kind,
        mime_type: purpose.mime_type,
        capabilities: providers::get(provider).capabilities(),
        provider: purpose.provider.map_or("WhatsApp", ProviderId::title),
    }
}
