//! Tests of unpacking.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_size_bound_holds_for_highly_compressed_bodies() {
    let zeros = vec![0; 4 * 1024 * 1024];
    let packed = gzip(&zeros);
    let limit = max_unpacked_size(&packed, None);
    assert!(limit >= 4 * 1024 * 1024, "{limit}");
    assert!(limit < 5 * 1024 * 1024, "{limit}");
    assert_eq!(unpack(&packed, None).as_deref(), Ok(zeros.as_slice()));
    assert_eq!(max_unpacked_size(&[b'{'; 700], Some("gzip, gzip")), 700);
    assert_eq!(max_unpacked_size(&gzip(&packed), None), UNPACKED_LIMIT);
    assert_eq!(
        max_unpacked_size(&packed, Some("deflate, gzip")),
        UNPACKED_LIMIT
    );
}

#[test]
fn every_encoding_has_a_limit() {
    let limit = usize::try_from(UNPACKED_LIMIT).unwrap();
    let once = gzip(&vec![b' '; limit]);
    assert_eq!(unpack(&once, None).unwrap().len(), limit);
    assert_eq!(unpack(&gzip(&once), None).unwrap().len(), limit);
    let reason = |body: &[u8]| unpack(body, Some("gzip")).unwrap_err().to_string();
    let over = gzip(&vec![b' '; limit + 1]);
    assert_eq!(reason(&over), "the body unpacks to more than 32 MiB");
    let members = gzip(&gzip(b"").repeat(300_000));
    assert_eq!(reason(&members), "the body unpacks to more than 4 MiB");
    let often = gzip(&gzip(&gzip(&gzip(b"{}"))));
    assert_eq!(reason(&often), "the body is compressed more than 3 times");
}

#[test]
fn the_bytes_of_a_body_decide_its_encoding_and_not_its_label() {
    let text = "{\"id\":\"wamid.1\",\"name\":\"Zoë\"}".as_bytes();
    let latin: &[u8] = b"id=wamid.1&name=Zo\xeb";
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(text).unwrap();
    let packed = [gzip(text), gzip(&gzip(text)), zlib.finish().unwrap()];
    let with_line_break = [gzip(text), b"\r\n".to_vec()].concat();
    for label in [
        None,
        Some("UTF-8"),
        Some("gzip"),
        Some("deflate"),
        Some("br"),
        Some("binary, gzip"),
    ] {
        for plain in [text, latin, b"x^2 = 4", b""] {
            assert_eq!(unpack(plain, label).as_deref(), Ok(plain), "{label:?}");
        }
        for packed in packed.iter().chain([&with_line_break]) {
            assert_eq!(unpack(packed, label).as_deref(), Ok(text), "{label:?}");
        }
    }
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(text).unwrap();
    let bare = deflate.finish().unwrap();
    assert_eq!(unpack(&bare, Some("deflate")).as_deref(), Ok(text));
}

#[test]
fn bytes_that_cannot_be_unpacked_are_reported_with_their_label() {
    // Its first bytes are deflate of `Z`.
    let noise = [0x8b, 0x02, 0x80, 0x01, 0xff, 0x00, 0x13];
    for (label, reason) in [
        ("br", "content-encoding `br` is not supported"),
        ("gzip", "the body is not valid gzip"),
        ("deflate", "the body is not valid deflate"),
    ] {
        let error = unpack(&noise, Some(label)).unwrap_err();
        assert_eq!(error.to_string(), reason);
    }
    let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x02, 0x11, 0x00];
    let error = unpack(&zstd, None).unwrap_err();
    assert_eq!(error, UnpackError::Unknown("zstd".to_owned()));
    for label in ["br", "gzip", "gzip, UTF-8"] {
        // The label describes the outer encoding.
        let packed = gzip(&noise);
        let unpacked = unpack(&packed, Some(label));
        let reason = unpacked.as_ref().map_err(ToString::to_string);
        match label {
            "gzip, UTF-8" => assert_eq!(reason, Err("the body is not valid gzip".into())),
            _ => assert_eq!(unpacked.as_deref(), Ok(&noise[..]), "{label}"),
        }
    }
    let whole = gzip(b"{\"id\":\"wamid.1\"}");
    let without_checksum = &whole[..whole.len() - 8];
    let padded = [whole.as_slice(), &[0; 16]].concat();
    for packed in [without_checksum, &padded] {
        let unpacked = unpack(packed, None);
        assert_eq!(unpacked.as_deref(), Ok(&b"{\"id\":\"wamid.1\"}"[..]));
    }
    let cut = &gzip(b"{\"id\":\"wamid.1\"}")[..20];
    assert_eq!(unpack(cut, None), Err(UnpackError::Broken("gzip")));
}
