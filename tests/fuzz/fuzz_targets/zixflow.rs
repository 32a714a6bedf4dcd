//! Zixflow's callbacks: whatever the bytes, every part is something and nothing panics.
#![no_main]

use bluetick_fuzz::check_callback;
use bluetick_fuzz::domain::provider::ProviderId;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check_callback(ProviderId::Zixflow, input));
