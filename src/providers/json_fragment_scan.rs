//! Finds the complete objects and lists in JSON that has a mistake somewhere.
//!
//! An object or list with a mistake is broken, and so are those around it; what is complete inside of
//! them is found. After a mistake it is unknown whether a quote begins or ends a text, so quotes are
//! ignored up to the next `{"`, which no escaped text contains.
//!
//! **Invariant:** a fragment's own names are all between double quotes, and it has one value behind
//! each of them. Two objects between which a bracket is missing are thus no fragment.

use crate::providers::json_assignment::assignment_length;
use crate::providers::json_bare_value::{bracketed_length, find_call, find_member_value, next_end};
use crate::providers::json_frame::{Expects, FrameKind, JsonFrame, LastValue};
use crate::providers::json_lookaround::{
    NAME_LIMIT, STATUSES, UNKNOWN, end_of_text, follows_word, last_field, name_before,
};
use crate::providers::json_separator::separator_length;
use crate::providers::reading_budget::VALUES_LIMIT;
use crate::providers::report_names::may_have_reports;

/// Deeper objects and lists are not found.
const DEPTH_LIMIT: usize = 64;
/// Maximum number of broken objects and lists.
const FRAMES_LIMIT: usize = 20_000;

/// A complete object, or a complete list of objects.
#[derive(Clone, Copy)]
pub(super) struct Fragment<'t> {
    pub(super) text: &'t str,
    pub(super) name: Option<&'t str>,
    pub(super) around: usize,
}

pub(super) struct FragmentScan<'t> {
    text: &'t str,
    /// The first one is the document.
    pub(super) frames: Vec<JsonFrame<'t>>,
    /// The largest ones, in order.
    pub(super) fragments: Vec<Fragment<'t>>,
    innermost: usize,
    /// The beginning of the last token, if that is a text.
    last_text: Option<usize>,
}

pub(super) fn scan(text: &str) -> FragmentScan<'_> {
    let mut scan = FragmentScan {
        text,
        frames: vec![JsonFrame::document()],
        fragments: Vec::new(),
        innermost: 0,
        last_text: None,
    };
    let mut at = Some(0);
    while let Some(next) = at
        && scan.frames.len() < FRAMES_LIMIT
        && scan.fragments.len() < VALUES_LIMIT
    {
        at = if scan.frame().is_broken {
            scan.skip(next)
        } else {
            Some(scan.step(next))
        };
    }
    scan
}

impl<'t> FragmentScan<'t> {
    fn frame(&mut self) -> &mut JsonFrame<'t> {
        &mut self.frames[self.innermost]
    }

    /// Reads a token of an object or list without a mistake so far; returns where the next one begins.
    fn step(&mut self, at: usize) -> usize {
        let rest = &self.text[at..];
        let Some(next) = rest.chars().next() else {
            return self.fail(at);
        };
        if next.is_ascii_whitespace() {
            return at + 1;
        }
        let frame = &mut self.frames[self.innermost];
        let is_object = frame.kind == FrameKind::Object;
        let length = match (frame.expects, next) {
            (Expects::Name, '"') => return self.read_name(at),
            (Expects::Value, '"') => return self.read_text(at),
            (Expects::Assignment, _) => {
                frame.expects = Expects::Value;
                assignment_length(rest)
            }
            (_, '}') if is_object => return self.close(at),
            (_, ']') if !is_object => return self.close(at),
            (Expects::Value, '{' | '[') => return self.open(at, next),
            (Expects::Separator, '{' | '[') if !is_object && frame.last != LastValue::Scalar => {
                return self.open(at, next);
            }
            (_, ',') => {
                frame.expects = if is_object {
                    Expects::Name
                } else {
                    Expects::Value
                };
                Some(1)
            }
            (Expects::Value, ':' | '}' | ']') | (Expects::Name, _) => None,
            (Expects::Value, _) => {
                frame.expects = Expects::Separator;
                frame.last = LastValue::Scalar;
                let length = if is_object {
                    find_member_value(rest).1
                } else {
                    find_call(rest).map_or_else(|| next_end(rest), |(_, length)| length)
                };
                Some(length).filter(|length| *length > 0)
            }
            (Expects::Separator, _) if !is_object && frame.last != LastValue::Scalar => {
                separator_length(rest)
            }
            (Expects::Separator, _) => None,
        };
        match length {
            Some(length) => {
                self.last_text = None;
                at + length
            }
            None => self.fail(at),
        }
    }

    fn read_name(&mut self, at: usize) -> usize {
        let Some(end) = end_of_text(self.text, at) else {
            return self.fail_in_text(at);
        };
        let name = &self.text[at + 1..end - 1];
        let frame = self.frame();
        frame.next_name = Some(if name.len() > NAME_LIMIT {
            UNKNOWN
        } else {
            name
        });
        frame.expects = Expects::Assignment;
        self.last_text = Some(at);
        end
    }

    fn read_text(&mut self, at: usize) -> usize {
        let Some(end) = end_of_text(self.text, at) else {
            return self.fail_in_text(at);
        };
        let text = &self.text[at + 1..end - 1];
        let frame = self.frame();
        if frame.next_name == Some("field") {
            frame.add_field(text);
        }
        frame.expects = Expects::Separator;
        frame.last = LastValue::Scalar;
        self.last_text = Some(at);
        end
    }

    fn open(&mut self, at: usize, bracket: char) -> usize {
        let frame = self.frame();
        let name = match frame.kind {
            FrameKind::Object => frame.next_name.or(Some(UNKNOWN)),
            FrameKind::List => None,
        };
        self.push(at, bracket, name);
        at + 1
    }

    fn push(&mut self, at: usize, bracket: char, name: Option<&'t str>) {
        self.last_text = None;
        let frame = self.frame();
        // `"statuses":{…},{…}`: the bracket of the list is missing.
        let is_unlisted = frame.last == LastValue::Statuses && frame.kind == FrameKind::Object;
        let statuses = Some(STATUSES).filter(|_| is_unlisted);
        let name = name.or(statuses);
        frame.last = match name {
            Some(STATUSES) => LastValue::Statuses,
            _ => LastValue::Container,
        };
        let depth = frame.depth + 1;
        if depth > DEPTH_LIMIT {
            self.break_frames();
            return;
        }
        let kind = match bracket {
            '{' => FrameKind::Object,
            _ => FrameKind::List,
        };
        self.frames.push(JsonFrame {
            name,
            around: self.innermost,
            begin: at,
            depth,
            fragments_before: self.fragments.len(),
            ..JsonFrame::open(kind)
        });
        self.innermost = self.frames.len() - 1;
    }

    /// The innermost object or list is complete: it replaces the fragments in it.
    fn close(&mut self, at: usize) -> usize {
        let complete = self.innermost;
        let frame = &self.frames[complete];
        let around = frame.around;
        let has_object = frame.has_object;
        let fragment = Fragment {
            text: &self.text[frame.begin..=at],
            name: frame.name,
            around,
        };
        let inner = self.fragments.split_off(frame.fragments_before);
        let is_known = frame.name.is_none_or(may_have_reports);
        let is_misplaced = |inner: &Fragment<'_>| inner.name == Some(STATUSES);
        let has_misplaced = frame.has_misplaced || (!is_known && inner.iter().any(is_misplaced));
        if is_known && !has_misplaced {
            self.frames.truncate(complete);
            self.fragments.extend(Some(fragment).filter(|_| has_object));
        } else {
            let inner = inner.into_iter();
            self.fragments
                .extend(inner.filter(|inner| is_known || is_misplaced(inner)));
            if !has_misplaced {
                self.frames.truncate(complete);
            }
        }
        self.innermost = around;
        self.last_text = None;
        let frame = self.frame();
        frame.has_object |= has_object;
        frame.has_misplaced |= has_misplaced;
        frame.expects = Expects::Separator;
        at + 1
    }

    /// A mistake. The last text may have begun where it should have ended, so it is searched, too.
    fn fail(&mut self, at: usize) -> usize {
        self.break_frames();
        self.last_text.take().map_or(at, |text| text + 1)
    }

    /// The text at this place does not end.
    fn fail_in_text(&mut self, at: usize) -> usize {
        self.break_frames();
        at + 1
    }

    fn break_frames(&mut self) {
        let mut index = self.innermost;
        while !self.frames[index].is_broken {
            self.frames[index].is_broken = true;
            index = self.frames[index].around;
        }
    }

    /// Finds the next bracket in a broken object or list; returns what follows it.
    fn skip(&mut self, from: usize) -> Option<usize> {
        let skipped = self.text[from..].find(['{', '}', '[', ']'])?;
        let at = from + skipped;
        let bracket = self.text[at..].chars().next()?;
        if let Some(field) = last_field(&self.text[from..at]) {
            self.frame().add_field(field);
        }
        match bracket {
            '{' | '[' => {
                let name = name_before(self.text, at);
                let inner = self.text[at + 1..].trim_ascii_start();
                let begins_object = bracket == '{' && inner.starts_with('"');
                if !begins_object && follows_word(self.text, at) {
                    // Brackets inside of a text, such as `Meera [VIP]`.
                    return Some(at + bracketed_length(&self.text[at..]).unwrap_or(1));
                }
                self.push(at, bracket, name);
                if bracket == '{' && !begins_object {
                    self.break_frames();
                }
            }
            '}' if self.is_superfluous_brace(at) => {}
            '}' => self.leave(FrameKind::Object),
            _ => self.leave(FrameKind::List),
        }
        Some(at + 1)
    }

    /// Whether a brace between two elements of a list of reports ends no object.
    fn is_superfluous_brace(&mut self, at: usize) -> bool {
        let text = self.text;
        let frame = self.frame();
        let rest = text[at + 1..].trim_ascii_start();
        let next = rest.strip_prefix(',').unwrap_or(rest).trim_ascii_start();
        frame.kind == FrameKind::List
            && frame.name.is_none_or(may_have_reports)
            && next.starts_with(['{', ']'])
    }

    /// Leaves the innermost broken object, or list; those inside of it were not closed.
    fn leave(&mut self, kind: FrameKind) {
        let mut frame = self.innermost;
        while frame != 0 && self.frames[frame].kind != kind {
            frame = self.frames[frame].around;
        }
        if frame == 0 {
            return;
        }
        let around = self.frames[frame].around;
        // Without fragments, nothing refers to it.
        if self.frames[frame].fragments_before == self.fragments.len() {
            self.frames.truncate(frame);
        }
        self.innermost = around;
    }
}
