//! What WhatsApp and the providers require of a media file, and which of these rules a file breaks.

use strum::{Display, IntoStaticStr, VariantArray};

use crate::domain::enum_words::enum_words;
use crate::domain::media::MediaKind;
use crate::domain::media_properties::{
    Completeness, ImageColour, ImageProperties, MediaContent, MediaProperties, TrackCodec,
    VideoProperties,
};
use crate::domain::provider::Capabilities;

/// A requirement of a media file.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, IntoStaticStr, VariantArray, Display,
)]
#[strum(serialize_all = "snake_case")]
pub enum MediaRule {
    /// The URL is http(s), on an allowed port, without a password.
    Url,
    /// The host is on the public Internet.
    PublicHost,
    /// The host responds.
    Reachable,
    /// The response status is 200.
    HttpStatus,
    /// The header `Content-Type` fits the content, and has no parameters.
    ContentType,
    /// The extension of the file name fits the content.
    Extension,
    /// The content has the type that the message gives, and WhatsApp supports it.
    Type,
    Size,
    BitDepth,
    Colour,
    VideoCodec,
    AudioCodec,
    AudioTracks,
    /// The file is not truncated.
    Complete,
    /// The file can be parsed.
    Readable,
    /// Not a requirement: the check did not finish in time.
    Checked,
}
enum_words!(MediaRule);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaFinding {
    pub rule: MediaRule,
    pub message: String,
}

impl MediaFinding {
    pub fn new(rule: MediaRule, message: impl Into<String>) -> Self {
        Self {
            rule,
            message: message.into(),
        }
    }
}

/// What a file is used for.
#[derive(Clone, Copy, Debug)]
pub struct MediaUse<'a> {
    /// Absent: any kind.
    pub kind: Option<MediaKind>,
    /// The type that the message gives.
    pub mime_type: Option<&'a str>,
    pub capabilities: &'a Capabilities,
    /// The name of the provider whose limits these are.
    pub provider: &'a str,
}

/// What is known of a file besides its content.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MediaLabels {
    /// By the extension of its name; absent without a known extension.
    pub extension_type: Option<&'static str>,
    pub content_type: Option<String>,
}

/// Every rule that the file breaks.
pub fn list_findings(
    labels: &MediaLabels,
    file: &MediaProperties,
    usage: &MediaUse<'_>,
) -> Vec<MediaFinding> {
    let mut findings = Vec::new();
    if file.size == 0 {
        findings.push(MediaFinding::new(MediaRule::Size, "the file is empty"));
        return findings;
    }
    let detected = file.mime_type.as_deref();
    let actual = detected.and_then(kind_of_type);
    check_type(detected, actual, usage, &mut findings);
    check_labels(labels, detected, &mut findings);
    if let Some(kind) = usage.kind.or(actual) {
        check_size(file.size, kind, usage, &mut findings);
    }
    match &file.content {
        MediaContent::Image(image) => check_image(image, &mut findings),
        MediaContent::Video(video) => check_video(video, &mut findings),
        MediaContent::Unknown => {}
    }
    findings
}

/// `None` for a type that WhatsApp does not support.
pub fn kind_of_type(mime_type: &str) -> Option<MediaKind> {
    MediaKind::ALL
        .into_iter()
        .find(|kind| kind.mime_types().contains(&mime_type))
}

fn supported_types(kind: Option<MediaKind>) -> String {
    let kinds = kind.map_or(MediaKind::ALL.to_vec(), |kind| vec![kind]);
    let types: Vec<&str> = kinds
        .into_iter()
        .flat_map(|kind| kind.mime_types().iter().copied())
        .filter(|name| *name != "video/3gpp")
        .collect();
    types.join(", ")
}

fn check_type(
    detected: Option<&str>,
    actual: Option<MediaKind>,
    usage: &MediaUse<'_>,
    findings: &mut Vec<MediaFinding>,
) {
    let types = supported_types(usage.kind);
    let message = match (detected, actual) {
        (None, _) => format!("the type of the content is not known; WhatsApp accepts {types}"),
        (Some(name), None) => format!("the content is {name}; WhatsApp accepts {types}"),
        (Some(name), Some(kind)) if usage.kind.is_some_and(|wanted| wanted != kind) => {
            format!("the content is {name}; the message needs {types}")
        }
        (Some(name), Some(_)) => match usage.mime_type {
            Some(given) if !is_same_type(given, name) => {
                format!("the content is {name}; the message says {given}")
            }
            _ => return,
        },
    };
    findings.push(MediaFinding::new(MediaRule::Type, message));
}

fn check_labels(labels: &MediaLabels, detected: Option<&str>, findings: &mut Vec<MediaFinding>) {
    if let (Some(by_name), Some(detected)) = (labels.extension_type, detected)
        && !is_same_type(by_name, detected)
    {
        let message = format!("the name has the extension of {by_name}; the content is {detected}");
        findings.push(MediaFinding::new(MediaRule::Extension, message));
    }
    let Some(header) = &labels.content_type else {
        return;
    };
    let header = header.trim().to_ascii_lowercase();
    let essence = header.split(';').next().unwrap_or_default().trim();
    let message = if essence != header && detected.is_some_and(|name| is_same_type(essence, name)) {
        format!("the host's Content-Type is `{header}`; WhatsApp requires it without parameters")
    } else if let Some(detected) = detected.filter(|name| !is_same_type(essence, name)) {
        format!("the host's Content-Type is `{header}`; the content is {detected}")
    } else {
        return;
    };
    findings.push(MediaFinding::new(MediaRule::ContentType, message));
}

/// `video/3gp` and `video/3gpp` name the same type.
fn is_same_type(one: &str, other: &str) -> bool {
    let canonical = |name: &str| name.to_ascii_lowercase().replace("video/3gpp", "video/3gp");
    canonical(one) == canonical(other)
}

fn check_size(size: u64, kind: MediaKind, usage: &MediaUse<'_>, findings: &mut Vec<MediaFinding>) {
    let limit = usage.capabilities.size_limit(kind);
    if size > limit {
        let message = format!(
            "the file has {size} bytes or more; {} accepts {kind}s up to {limit} bytes ({} KiB)",
            usage.provider,
            limit / 1024
        );
        findings.push(MediaFinding::new(MediaRule::Size, message));
    }
}

fn check_image(image: &ImageProperties, findings: &mut Vec<MediaFinding>) {
    if image.bits.is_some_and(|bits| bits != 8) {
        let bits = image.bits.unwrap_or_default();
        let message = format!("the image has {bits} bits per channel; WhatsApp accepts 8");
        findings.push(MediaFinding::new(MediaRule::BitDepth, message));
    }
    let problem = match image.colour {
        ImageColour::Rgb | ImageColour::Rgba | ImageColour::Unknown => None,
        ImageColour::Grey => Some("is greyscale"),
        ImageColour::Palette => Some("has a colour palette"),
        ImageColour::Cmyk => Some("has CMYK colours"),
    };
    if let Some(problem) = problem {
        let message = format!("the image {problem}; WhatsApp accepts RGB and RGBA");
        findings.push(MediaFinding::new(MediaRule::Colour, message));
    }
    check_completeness(&image.completeness, findings);
}

fn check_video(video: &VideoProperties, findings: &mut Vec<MediaFinding>) {
    let readable = check_completeness(&video.completeness, findings);
    if video.video.is_empty() && readable {
        let message = "the file has no video track; WhatsApp accepts H.264";
        findings.push(MediaFinding::new(MediaRule::VideoCodec, message));
    }
    for codec in video
        .video
        .iter()
        .filter(|codec| **codec != TrackCodec::H264)
    {
        let message = format!("the video is {codec}; WhatsApp accepts H.264");
        findings.push(MediaFinding::new(MediaRule::VideoCodec, message));
    }
    for codec in video
        .audio
        .iter()
        .filter(|codec| **codec != TrackCodec::Aac)
    {
        let message = format!("the audio is {codec}; WhatsApp accepts AAC");
        findings.push(MediaFinding::new(MediaRule::AudioCodec, message));
    }
    if video.audio.len() > 1 {
        let tracks = video.audio.len();
        let message = format!("the file has {tracks} audio tracks; WhatsApp accepts one or none");
        findings.push(MediaFinding::new(MediaRule::AudioTracks, message));
    }
}

/// Returns whether the file could be parsed.
fn check_completeness(completeness: &Completeness, findings: &mut Vec<MediaFinding>) -> bool {
    match completeness {
        Completeness::Complete => true,
        Completeness::Truncated(reason) => {
            let message = format!("the file is cut off: {reason}");
            findings.push(MediaFinding::new(MediaRule::Complete, message));
            false
        }
        Completeness::Unreadable(reason) => {
            let message = format!("the file cannot be parsed: {reason}");
            findings.push(MediaFinding::new(MediaRule::Readable, message));
            false
        }
    }
}
