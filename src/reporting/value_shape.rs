//! Shapes of values in query strings, for the OpenAPI document: as narrow as their parsers.

/// What a value looks like. The parser refuses whatever the shape excludes.
#[derive(Clone, Copy, Debug)]
pub enum ValueShape {
    /// Not blank.
    Text,
    /// Characters of a search; not blank.
    SearchText {
        least: usize,
        most: usize,
    },
    /// The id of an account or a campaign.
    Slug,
    /// One of some words.
    Word(WordList),
    /// One of some words, or several with commas.
    Words(WordList),
    /// The same, or this word alone.
    WordsOr(WordList, &'static str),
    Flag,
    /// RFC 3339.
    Instant,
    /// RFC 3339, or a day.
    DayOrInstant,
    /// The same from the year 2000 to the year 9000.
    DayOrInstantOfOurTime,
    TimeZone,
    Uuid,
    /// One, or up to 500 with commas.
    Uuids,
    /// A complete number.
    Phone,
    /// A complete number, or WhatsApp's id of a user.
    Customer,
    /// A provider's id of a message.
    ProviderMessageId,
    /// A whole number.
    Number {
        least: usize,
        most: usize,
    },
    /// Where a page starts.
    Cursor,
}

pub type WordList = fn() -> Vec<&'static str>;
