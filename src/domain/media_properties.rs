//! Properties of a media file, as detected from its bytes.

use std::fmt;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaProperties {
    /// In bytes; a lower bound for a file that is too large.
    pub size: u64,
    /// Detected from its first bytes; `None` for an unknown type.
    pub mime_type: Option<String>,
    pub content: MediaContent,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaContent {
    Image(ImageProperties),
    Video(VideoProperties),
    /// Another type, or too large to be parsed.
    Unknown,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageProperties {
    /// Per channel.
    pub bits: Option<u8>,
    pub colour: ImageColour,
    pub completeness: Completeness,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageColour {
    /// Includes JPEG's YCbCr.
    Rgb,
    Rgba,
    Grey,
    Palette,
    Cmyk,
    Unknown,
}

/// Tracks in the order of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VideoProperties {
    pub video: Vec<TrackCodec>,
    pub audio: Vec<TrackCodec>,
    pub completeness: Completeness,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Completeness {
    Complete,
    Truncated(String),
    Unreadable(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrackCodec {
    H264,
    Aac,
    /// By its common name.
    Other(&'static str),
}

impl fmt::Display for TrackCodec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::H264 => "H.264",
            Self::Aac => "AAC",
            Self::Other(name) => name,
        })
    }
}
