//! Tracks, codecs and completeness of MP4 and 3GP files.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use mp4parse::{CodecType, MediaContext, SampleEntry, Track, TrackType};

use crate::domain::media_properties::{Completeness, TrackCodec, VideoProperties};

/// Most files have a handful of boxes, a fragmented file has two per second.
const BOXES_LIMIT: usize = 100_000;

pub(super) fn read(path: &Path) -> io::Result<VideoProperties> {
    let structure = check_boxes(&mut BufReader::new(File::open(path)?))?;
    let parsed = mp4parse::read_mp4(&mut BufReader::new(File::open(path)?));
    let (video, audio) = parsed
        .as_ref()
        .map_or((Vec::new(), Vec::new()), list_codecs);
    let completeness = match (structure, parsed) {
        (Some(reason), _) => Completeness::Truncated(reason),
        (None, Err(mp4parse::Error::MoovMissing)) => {
            Completeness::Truncated("its index (moov) is missing".to_owned())
        }
        (None, Err(error)) => Completeness::Unreadable(error.to_string()),
        (None, Ok(_)) => Completeness::Complete,
    };
    Ok(VideoProperties {
        video,
        audio,
        completeness,
    })
}

fn list_codecs(file: &MediaContext) -> (Vec<TrackCodec>, Vec<TrackCodec>) {
    let of = |kind: TrackType| {
        let tracks = file.tracks.iter();
        tracks
            .filter(|track| track.track_type == kind)
            .map(codec)
            .collect()
    };
    (of(TrackType::Video), of(TrackType::Audio))
}

fn codec(track: &Track) -> TrackCodec {
    let entries = track.stsd.as_ref().map(|stsd| stsd.descriptions.as_slice());
    let kind = match entries.and_then(<[SampleEntry]>::first) {
        Some(SampleEntry::Video(entry)) => entry.codec_type,
        Some(SampleEntry::Audio(entry)) => entry.codec_type,
        _ => CodecType::Unknown,
    };
    TrackCodec::from(kind)
}

impl From<CodecType> for TrackCodec {
    fn from(kind: CodecType) -> Self {
        Self::Other(match kind {
            CodecType::H264 => return Self::H264,
            CodecType::AAC => return Self::Aac,
            CodecType::MP3 => "MP3",
            CodecType::FLAC => "FLAC",
            CodecType::Opus => "Opus",
            CodecType::MP4V => "MPEG-4 part 2",
            CodecType::AV1 => "AV1",
            CodecType::VP9 => "VP9",
            CodecType::VP8 => "VP8",
            CodecType::EncryptedVideo | CodecType::EncryptedAudio => "encrypted",
            CodecType::LPCM => "PCM",
            CodecType::ALAC => "ALAC",
            CodecType::H263 => "H.263",
            CodecType::AMRNB | CodecType::AMRWB => "AMR",
            CodecType::Unknown => "of another codec, such as H.265",
        })
    }
}

/// Why the boxes at the top level do not fill the file; `None` if they do.
fn check_boxes(file: &mut (impl Read + Seek)) -> io::Result<Option<String>> {
    let size = file.seek(SeekFrom::End(0))?;
    let mut position = 0;
    for _ in 0..BOXES_LIMIT {
        if position == size {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(position))?;
        let mut header = [0; 16];
        let read = read_some(file, &mut header)?;
        let (first, second) = (u64_at(&header, 0), u64_at(&header, 8));
        let name = header[4..8].escape_ascii().to_string();
        let length = match (first >> 32, read) {
            (_, 0..8) => return Ok(Some("the last box is incomplete".to_owned())),
            // The box reaches to the end of the file.
            (0, _) => size - position,
            (1, 16) => second,
            (short, _) => short,
        };
        if length < 8 {
            return Ok(Some(format!("the box `{name}` has an impossible length")));
        }
        position = position.saturating_add(length);
        if position > size {
            let missing = position - size;
            return Ok(Some(format!(
                "{missing} bytes of the box `{name}` are missing"
            )));
        }
    }
    Ok(None)
}

/// Big-endian.
fn u64_at(header: &[u8; 16], start: usize) -> u64 {
    let bytes = header.iter().skip(start).take(8);
    bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn read_some(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read(&mut buffer[read..])? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}
