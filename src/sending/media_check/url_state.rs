//! What a fetch of a media URL found.

use crate::domain::media_properties::MediaProperties;
use crate::domain::media_rules::{MediaFinding, MediaLabels};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum UrlState {
    Fetched {
        labels: MediaLabels,
        file: MediaProperties,
        /// What is wrong with the answer itself.
        findings: Vec<MediaFinding>,
    },
    Failed(MediaFinding),
}
