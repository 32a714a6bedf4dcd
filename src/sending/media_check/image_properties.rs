//! Bit depth, colour and completeness of JPEG and PNG files.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind};
use std::path::Path;

use png::{ColorType, DecodingError};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;

use crate::domain::media_properties::{Completeness, ImageColour, ImageProperties};

/// Larger images are not decoded, which bounds the time.
const PIXEL_LIMIT: u64 = 64_000_000;
/// Memory of the decoder, in bytes.
const MEMORY_LIMIT: usize = 64 * 1024 * 1024;

pub(super) fn read(path: &Path, mime_type: &str) -> io::Result<ImageProperties> {
    if mime_type == "image/png" {
        Ok(read_png(File::open(path)?))
    } else {
        Ok(read_jpeg(&std::fs::read(path)?))
    }
}

fn read_png(file: File) -> ImageProperties {
    let limits = png::Limits {
        bytes: MEMORY_LIMIT,
    };
    let decoder = png::Decoder::new_with_limits(BufReader::new(file), limits);
    let mut reader = match decoder.read_info() {
        Ok(reader) => reader,
        Err(error) => {
            return ImageProperties {
                bits: None,
                colour: ImageColour::Unknown,
                completeness: png_failure(error),
            };
        }
    };
    let info = reader.info();
    let pixels = u64::from(info.width) * u64::from(info.height);
    let bits = info.bit_depth as u8;
    let colour = match info.color_type {
        ColorType::Rgb => ImageColour::Rgb,
        ColorType::Rgba => ImageColour::Rgba,
        ColorType::Grayscale | ColorType::GrayscaleAlpha => ImageColour::Grey,
        ColorType::Indexed => ImageColour::Palette,
    };
    let mut completeness = Completeness::Complete;
    if pixels <= PIXEL_LIMIT {
        let rows = loop {
            match reader.next_interlaced_row() {
                Ok(Some(_)) => {}
                Ok(None) => break reader.finish(),
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = rows {
            completeness = png_failure(error);
        }
    }
    ImageProperties {
        bits: Some(bits),
        colour,
        completeness,
    }
}

fn png_failure(error: DecodingError) -> Completeness {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Completeness::Truncated("the end of the PNG image is missing".to_owned())
        }
        error => Completeness::Unreadable(error.to_string()),
    }
}

fn read_jpeg(bytes: &[u8]) -> ImageProperties {
    let scan = scan_jpeg(bytes);
    let mut decoder = JpegDecoder::new(ZCursor::new(bytes));
    let headers = decoder.decode_headers();
    let colour = match decoder.input_colorspace() {
        Some(ColorSpace::RGB | ColorSpace::YCbCr) => ImageColour::Rgb,
        Some(ColorSpace::Luma) => ImageColour::Grey,
        Some(ColorSpace::CMYK | ColorSpace::YCCK) => ImageColour::Cmyk,
        _ => ImageColour::Unknown,
    };
    let completeness = match (headers, scan.end) {
        // The decoder supports only 8 bits per channel; other depths are a finding of their own.
        (Err(_), _) if scan.bits.is_some_and(|bits| bits != 8) => Completeness::Complete,
        (_, JpegEnd::Missing) => {
            Completeness::Truncated("the end of the JPEG image is missing".to_owned())
        }
        (Err(error), JpegEnd::Found) => Completeness::Unreadable(format!("{error:?}")),
        (Ok(()), JpegEnd::Found) => Completeness::Complete,
    };
    ImageProperties {
        bits: scan.bits,
        colour,
        completeness,
    }
}

struct JpegScan {
    bits: Option<u8>,
    end: JpegEnd,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum JpegEnd {
    Found,
    Missing,
}

/// Walks over the segments up to the first scan and searches for the end marker after it, because
/// an embedded preview has an end marker of its own.
fn scan_jpeg(bytes: &[u8]) -> JpegScan {
    let mut scan = JpegScan {
        bits: None,
        end: JpegEnd::Missing,
    };
    let mut position = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(position..position + 4) {
        if marker == 0xff {
            position += 1;
            continue;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        // Start of frame, except the three other markers in this range.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            scan.bits = bytes.get(position + 4).copied();
        }
        position += 2 + length;
        if marker == 0xda {
            let rest = bytes.get(position..).unwrap_or_default();
            if rest.windows(2).any(|pair| pair == [0xff, 0xd9]) {
                scan.end = JpegEnd::Found;
            }
            break;
        }
    }
    scan
}
