//! Unpacking: no panic, no output beyond the limit, and compressed text survives a round trip, whatever its label.
#![no_main]

use std::io::Read;

use bluetick_fuzz::unpack::{UNPACKED_LIMIT, unpack};
use flate2::Compression;
use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};

const ENCODINGS: [&str; 7] = [
    "UTF-8",
    "gzip",
    "deflate",
    "gzip, deflate",
    "X-GZIP , identity",
    "br",
    "gzip,gzip,gzip",
];

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for encoding in ENCODINGS {
        if let Ok(body) = unpack(input, Some(encoding)) {
            assert!(body.len() as u64 <= UNPACKED_LIMIT);
        }
    }
    // Other bytes may be compressed themselves.
    if !input.first().is_some_and(|byte| b"{[<\"".contains(byte)) {
        return;
    }
    let packed = |mut encoder: Box<dyn Read + '_>| {
        let mut bytes = Vec::new();
        encoder.read_to_end(&mut bytes).expect("packing succeeds");
        bytes
    };
    let fast = Compression::fast();
    let gzip = packed(Box::new(GzEncoder::new(input, fast)));
    let zlib = packed(Box::new(ZlibEncoder::new(input, fast)));
    for encoding in ["gzip", "br", "UTF-8", ""] {
        assert_eq!(unpack(&gzip, Some(encoding)).as_deref(), Ok(input));
        assert_eq!(unpack(&zlib, Some(encoding)).as_deref(), Ok(input));
    }
    let bare = packed(Box::new(DeflateEncoder::new(input, fast)));
    if str::from_utf8(&bare).is_err() && str::from_utf8(input).is_ok() {
        assert_eq!(unpack(&bare, Some("deflate")).as_deref(), Ok(input));
    }
});
