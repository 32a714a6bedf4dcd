//! The correlation tag: a tag that is found is in the text, and an inserted tag is found.
#![no_main]

use bluetick_fuzz::domain::correlation_tag;
use bluetick_fuzz::domain::ids::MessageId;
use bluetick_fuzz::domain::message::References;
use bluetick_fuzz::domain::provider_account::CorrelationSlot;

const SLOTS: [CorrelationSlot; 4] = [
    CorrelationSlot::Auto,
    CorrelationSlot::Ref,
    CorrelationSlot::Ref1,
    CorrelationSlot::Ref2,
];

libfuzzer_sys::fuzz_target!(|input: (&str, &str, &str)| {
    let (first, second, third) = input;
    if let Some(id) = correlation_tag::find(first) {
        assert!(first.contains(&correlation_tag::format_tag(id)));
    }
    let own = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let references = References {
        reference: own(first),
        reference1: own(second),
        reference2: own(third),
    };
    let id: MessageId = "019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f"
        .parse()
        .expect("an id");
    for slot in SLOTS {
        if let Ok(placed) = correlation_tag::insert_tag(slot, &references, id) {
            assert_eq!(correlation_tag::find_in_references(&placed), Some(id));
        }
    }
});
