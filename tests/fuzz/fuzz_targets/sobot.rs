//! Sobot's callbacks: no input panics or gives an empty part.
#![no_main]

use bluetick_fuzz::check_callback;
use bluetick_fuzz::domain::provider::ProviderId;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check_callback(ProviderId::Sobot, input));
