//! The result of fetching a media URL.

use crate::domain::media_properties::MediaProperties;
use crate::domain::media_rules::{MediaFinding, MediaLabels};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum UrlState {
    Fetched {
        labels: MediaLabels,
        file: MediaProperties,
        /// Findings about the HTTP response itself.
        findings: Vec<MediaFinding>,
    },
    Failed(MediaFinding),
}
