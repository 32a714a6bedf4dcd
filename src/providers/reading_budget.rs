//! Limits of what one callback may contain. Every reader counts while it reads, so that memory and
//! time depend on these limits and not on the size that a compressed body unpacks to.

use std::cell::Cell;

use thiserror::Error;

/// Maximum number of JSON values, of XML elements, attributes and texts, or of form fields per
/// callback. 3 MB of Meta's statuses have fewer than 150,000.
pub(super) const VALUES_LIMIT: usize = 200_000;
/// A report needs three or four levels, Meta's envelope ten.
const DEPTH_LIMIT: usize = 64;
/// Maximum bytes kept of a text. Ids, status words, times and references are shorter.
pub(super) const TEXT_LIMIT: usize = 2048;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(super) enum ReadingLimit {
    #[error("it has more than {VALUES_LIMIT} values (too_many_values)")]
    TooManyValues,
    #[error("it is nested deeper than {DEPTH_LIMIT} levels")]
    TooDeep,
    /// The text is invalid, and too long to be rewritten.
    #[error("it is not a valid text, and too long to be repaired")]
    Unrepairable,
}

impl From<ReadingLimit> for String {
    fn from(limit: ReadingLimit) -> Self {
        limit.to_string()
    }
}

/// How much of the limits the readers of one callback have used, across nested formats.
#[derive(Debug, Default)]
pub(super) struct ReadingBudget {
    values: Cell<usize>,
    exceeded: Cell<Option<ReadingLimit>>,
}

impl ReadingBudget {
    #[inline]
    pub(super) fn count_value(&self) -> Result<(), ReadingLimit> {
        let values = self.values.get() + 1;
        self.values.set(values);
        if values > VALUES_LIMIT {
            return self.exceed(ReadingLimit::TooManyValues);
        }
        Ok(())
    }

    /// `depth` is 1 inside the outermost value.
    pub(super) fn check_depth(&self, depth: usize) -> Result<(), ReadingLimit> {
        if depth > DEPTH_LIMIT {
            return self.exceed(ReadingLimit::TooDeep);
        }
        Ok(())
    }

    /// The number of values counted so far, for [`Self::forget_since`].
    pub(super) fn counted(&self) -> usize {
        self.values.get()
    }

    /// Forgets the values that were counted after the first `counted`: they were dropped, and their
    /// text is parsed again.
    pub(super) fn forget_since(&self, counted: usize) {
        self.values.set(counted);
    }

    /// Forgets that a value was nested too deeply; false if it was not.
    pub(super) fn forget_depth(&self) -> bool {
        let is_depth = self.exceeded.get() == Some(ReadingLimit::TooDeep);
        if is_depth {
            self.exceeded.set(None);
        }
        is_depth
    }

    /// The limit that ended the reading, if one did.
    pub(super) fn exceeded(&self) -> Option<ReadingLimit> {
        self.exceeded.get()
    }

    #[cold]
    fn exceed(&self, limit: ReadingLimit) -> Result<(), ReadingLimit> {
        self.exceeded.set(Some(limit));
        Err(limit)
    }
}

/// A text of at most `limit` bytes, for values that a batch may repeat for each of its reports.
pub(super) fn shorten(text: String, limit: usize) -> String {
    if text.len() > limit {
        text[..text.floor_char_boundary(limit)].to_owned()
    } else {
        text
    }
}

/// The beginning of a text, up to [`TEXT_LIMIT`].
#[inline]
pub(super) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_LIMIT)]
}
