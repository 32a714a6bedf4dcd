//! Meta's shapes as every provider may embed them: the input is the envelope, or one value in it.
#![no_main]

use bluetick_fuzz::check_callback;
use bluetick_fuzz::domain::provider::ProviderId;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let in_an_envelope = [
        br#"{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":"#,
        input,
        b"}]}]}",
    ]
    .concat();
    for provider in ProviderId::ALL {
        check_callback(provider, input);
        check_callback(provider, &in_an_envelope);
    }
});
