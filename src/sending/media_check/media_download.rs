//! Fetches a media file into a temporary file, within bounds.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Response;
use tempfile::NamedTempFile;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::domain::media::mime_type_of_extension;
use crate::domain::media_properties::{MediaContent, MediaProperties};
use crate::domain::media_rules::{MediaFinding, MediaLabels, MediaRule};
use crate::http_client::address_rules::UnfetchableUrl;
use crate::http_client::guarded_fetch::{FetchError, GuardedClient, fetch_error};
use crate::sending::media_check::inspection::{FILE_LIMIT, inspect};
use crate::sending::media_check::url_state::UrlState;

/// How long a whole fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);

pub(super) async fn fetch(client: &GuardedClient, url: &Url, folder: &Path) -> UrlState {
    let deadline = Instant::now() + FETCH_TIMEOUT;
    let response = match client.get(url, deadline).await {
        Ok(response) => response,
        Err(error) => return UrlState::Failed(finding(&error)),
    };
    let status = response.status();
    let labels = MediaLabels {
        extension_type: mime_type_of_extension(url.path()),
        content_type: content_type(&response),
    };
    if status.as_u16() != 200 {
        let message = format!("the host answers {status}; WhatsApp needs 200");
        return UrlState::Failed(MediaFinding::new(MediaRule::HttpStatus, message));
    }
    if let Some(length) = response.content_length().filter(|size| *size > FILE_LIMIT) {
        return too_large(labels, length);
    }
    match download(response, folder, deadline).await {
        Ok(file) => inspect_file(labels, file).await,
        Err(finding) => UrlState::Failed(finding),
    }
}

/// Downloads at most one chunk more than [`FILE_LIMIT`].
async fn download(
    response: Response,
    folder: &Path,
    deadline: Instant,
) -> Result<NamedTempFile, MediaFinding> {
    let expected = response.content_length();
    let mut file = NamedTempFile::new_in(folder).map_err(not_checked)?;
    let mut size: u64 = 0;
    let mut chunks = response.bytes_stream();
    while size <= FILE_LIMIT {
        let next = timeout_at(deadline, chunks.next()).await;
        let Some(chunk) = next.map_err(|_| finding(&FetchError::TimedOut))? else {
            break;
        };
        let chunk = chunk.map_err(|error| finding(&fetch_error(&error)))?;
        size = size.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        // Chunks are small, and writing them to the page cache does not block.
        file.write_all(&chunk).map_err(not_checked)?;
    }
    match expected {
        Some(expected) if size < expected => Err(finding(&FetchError::Unreachable(format!(
            "the host closed after {size} of {expected} bytes"
        )))),
        _ => Ok(file),
    }
}

async fn inspect_file(labels: MediaLabels, file: NamedTempFile) -> UrlState {
    let inspected = tokio::task::spawn_blocking(move || inspect(file.path())).await;
    match inspected.map_err(std::io::Error::other).flatten() {
        Ok(file) => UrlState::Fetched {
            labels,
            file,
            findings: Vec::new(),
        },
        Err(error) => UrlState::Failed(not_checked(error)),
    }
}

/// Our own disk failed, not the host.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_checked(error: std::io::Error) -> MediaFinding {
    let message = format!("the media was not checked: {error}");
    MediaFinding::new(MediaRule::Checked, message)
}

/// The result for a file that is too large to be fetched.
fn too_large(labels: MediaLabels, size: u64) -> UrlState {
    let message = format!("the file has {size} bytes; no provider takes more than 16 MiB");
    UrlState::Fetched {
        labels,
        file: MediaProperties {
            size,
            mime_type: None,
            content: MediaContent::Unknown,
        },
        findings: vec![MediaFinding::new(MediaRule::Size, message)],
    }
}

fn content_type(response: &Response) -> Option<String> {
    let value = response.headers().get("content-type")?;
    Some(value.to_str().ok()?.to_owned())
}

fn finding(error: &FetchError) -> MediaFinding {
    let rule = match error {
        FetchError::Refused(UnfetchableUrl::PrivateAddress(_))
        | FetchError::RefusedRedirect(UnfetchableUrl::PrivateAddress(_)) => MediaRule::PublicHost,
        FetchError::Refused(_) | FetchError::RefusedRedirect(_) => MediaRule::Url,
        FetchError::InvalidRedirect | FetchError::TooManyRedirects => MediaRule::HttpStatus,
        FetchError::TimedOut | FetchError::Unreachable(_) => MediaRule::Reachable,
    };
    MediaFinding::new(rule, format!("the URL {error}"))
}
