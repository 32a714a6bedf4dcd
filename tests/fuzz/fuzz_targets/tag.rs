//! The correlation tag: what is found stands in the text as it is written, and a tag placed beside any text is found again.
#![no_main]

use bluetick_fuzz::domain::ids::MessageId;
use bluetick_fuzz::domain::message::References;
use bluetick_fuzz::domain::provider::CorrelationSlot;
use bluetick_fuzz::domain::tag;

const SLOTS: [CorrelationSlot; 4] = [
    CorrelationSlot::Auto,
    CorrelationSlot::Ref,
    CorrelationSlot::Ref1,
    CorrelationSlot::Ref2,
];

libfuzzer_sys::fuzz_target!(|input: (&str, &str, &str)| {
    let (first, second, third) = input;
    if let Some(id) = tag::find(first) {
        assert!(first.contains(&tag::write(id)));
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
        if let Ok(placed) = tag::place_tag(slot, &references, id) {
            assert_eq!(tag::find_in(&placed), Some(id));
        }
    }
});
