//! Shapes of values in query strings, for the OpenAPI document: as narrow as their parsers.

/// The parser refuses every value that the shape excludes.
#[derive(Clone, Copy, Debug)]
pub enum ValueShape {
    /// Any text that is not blank.
    Text,
    /// A text that is not blank, with its least and most characters.
    SearchText {
        least: usize,
        most: usize,
    },
    /// The id of an account or a campaign.
    Slug,
    /// One value of the list.
    Word(WordList),
    /// One or several values of the list, separated by commas.
    Words(WordList),
    /// Like `Words`, or the second value alone.
    WordsOr(WordList, &'static str),
    Flag,
    /// A time in RFC 3339.
    Instant,
    /// A time in RFC 3339, or a day.
    DayOrInstant,
    /// Like `DayOrInstant`, from the year 2000 to the year 9000.
    BoundedDayOrInstant,
    TimeZone,
    Uuid,
    /// Up to 500, separated by commas.
    Uuids,
    /// A complete phone number.
    Phone,
    /// A complete phone number, or WhatsApp's id of a user.
    Customer,
    /// A provider's id of a message.
    ProviderMessageId,
    /// A whole number.
    Number {
        least: usize,
        most: usize,
    },
    /// The position where a page starts.
    Cursor,
}

pub type WordList = fn() -> Vec<&'static str>;
