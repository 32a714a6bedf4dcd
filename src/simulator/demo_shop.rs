//! The invented customers and messages of the demo.

use crate::domain::media::MediaKind;
use crate::simulator::seeded_rng::SeededRng;

pub(super) struct Country {
    pub(super) first: &'static [&'static str],
    pub(super) last: &'static [&'static str],
    /// A number that no other message of the run uses, so that each can be identified by its
    /// recipient.
    pub(super) number: fn(u64, &mut SeededRng) -> String,
}

pub(super) const COUNTRIES: [Country; 4] = [INDIA, INDIA, BRAZIL, BRITAIN];

const INDIA: Country = Country {
    first: &[
        "Asha", "Rohan", "Meera", "Arjun", "Kavya", "Vikram", "Ananya", "Imran", "Divya", "Sanjay",
    ],
    last: &[
        "Rao", "Sharma", "Iyer", "Patel", "Khan", "Nair", "Desai", "Banerjee", "Kulkarni",
    ],
    number: |ordinal, rng| format!("+91 9{:04} {:05}", rng.below(10_000), ordinal % 100_000),
};

const BRAZIL: Country = Country {
    first: &[
        "Beatriz", "João", "Camila", "Rafael", "Larissa", "Thiago", "Fernanda", "Caio",
    ],
    last: &[
        "Souza", "Oliveira", "Ferreira", "Almeida", "Ribeiro", "Carvalho",
    ],
    number: |ordinal, rng| {
        let city = rng.pick(&["11", "21", "31", "51", "85"]);
        format!(
            "+55 {city} 9{:04}-{:04}",
            rng.below(10_000),
            ordinal % 10_000
        )
    },
};

/// Ofcom reserves 07700 900000 to 900999 for drama; the run needs more numbers than these.
const BRITAIN: Country = Country {
    first: &[
        "Amelia", "Oliver", "Priya", "Callum", "Isla", "Hamish", "Zara", "George",
    ],
    last: &[
        "Bennett",
        "Clarke",
        "Hughes",
        "Okafor",
        "Murray",
        "Whitfield",
    ],
    number: |ordinal, _| format!("+44 7700 9{:05}", ordinal % 100_000),
};

pub(super) struct DemoMessage {
    pub(super) kind: MediaKind,
    pub(super) mime_type: &'static str,
    pub(super) url: &'static str,
    pub(super) caption: &'static str,
    pub(super) order_prefix: &'static str,
    pub(super) campaign: &'static str,
}

const fn demo_message(
    kind: MediaKind,
    mime_type: &'static str,
    url: &'static str,
    caption: &'static str,
    order_prefix: &'static str,
    campaign: &'static str,
) -> DemoMessage {
    DemoMessage {
        kind,
        mime_type,
        url,
        caption,
        order_prefix,
        campaign,
    }
}

#[rustfmt::skip]
pub(super) const DEMO_MESSAGES: [DemoMessage; 7] = [
    demo_message(MediaKind::Image, "image/jpeg", "https://media.meridian-home.example/parcels/{order}.jpg", "Hi {name}, your order {order} is packed. This is how it leaves our workshop.", "MH", "order-packed"),
    demo_message(MediaKind::Image, "image/png", "https://media.meridian-home.example/invoices/{order}.png", "Invoice for {order}. Thank you for shopping with us, {name}!", "INV", "invoice"),
    demo_message(MediaKind::Image, "image/jpeg", "https://media.meridian-home.example/proof/{order}.jpg", "Delivered: {order} is waiting at your door.", "MH", "proof-of-delivery"),
    demo_message(MediaKind::Video, "video/mp4", "https://media.meridian-home.example/guides/oak-shelf.mp4", "{name}, two minutes on how to put up your new shelf.", "MH", "assembly-guide"),
    demo_message(MediaKind::Video, "video/mp4", "https://media.meridian-home.example/stories/monsoon-lamps.mp4", "The lamps you asked about, seen in three rooms.", "ENQ", "lamps-2026"),
    demo_message(MediaKind::Image, "image/jpeg", "https://media.meridian-home.example/samples/{order}.jpg", "{name}, here is the fabric sample for {order}. Shall we go ahead?", "SMP", "samples"),
    demo_message(MediaKind::Video, "video/mp4", "https://media.meridian-home.example/repairs/{order}.mp4", "Your repair {order} is finished, see for yourself.", "REP", "repairs"),
];
