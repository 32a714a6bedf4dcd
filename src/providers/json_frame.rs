//! An object or list of JSON while it is scanned for what is complete in it.

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    Object,
    List,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expects {
    Name,
    Assignment,
    Value,
    Separator,
}

/// The value before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LastValue {
    /// Also if there is none.
    Scalar,
    Container,
    /// The kind under the name `statuses`.
    Statuses,
}

/// The text of the member `field` of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Field<'t> {
    Absent,
    Is(&'t str),
    /// Several different ones.
    Unclear,
}

/// An object or list that is open or broken.
pub(super) struct JsonFrame<'t> {
    pub(super) kind: FrameKind,
    /// In the object around it.
    pub(super) name: Option<&'t str>,
    /// The index of the frame around it. The document's is its own.
    pub(super) around: usize,
    pub(super) field: Field<'t>,
    pub(super) begin: usize,
    pub(super) depth: usize,
    /// The number of fragments before it.
    pub(super) fragments_before: usize,
    pub(super) expects: Expects,
    /// The name of the value that comes next.
    pub(super) next_name: Option<&'t str>,
    pub(super) last: LastValue,
    pub(super) has_object: bool,
    /// Whether an object inside has statuses that belong to this one, as if it had not been closed.
    pub(super) has_misplaced: bool,
    pub(super) is_broken: bool,
}

impl<'t> JsonFrame<'t> {
    /// A broken list: what is around the documents of a text.
    pub(super) fn document() -> Self {
        Self {
            is_broken: true,
            ..Self::open(FrameKind::List)
        }
    }

    pub(super) fn open(kind: FrameKind) -> Self {
        let (expects, has_object) = match kind {
            FrameKind::Object => (Expects::Name, true),
            FrameKind::List => (Expects::Value, false),
        };
        Self {
            kind,
            name: None,
            around: 0,
            field: Field::Absent,
            begin: 0,
            depth: 0,
            fragments_before: 0,
            expects,
            next_name: None,
            last: LastValue::Scalar,
            has_object,
            has_misplaced: false,
            is_broken: false,
        }
    }

    pub(super) fn add_field(&mut self, text: &'t str) {
        // Its closing quote may be missing.
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let text = &text[..end.unwrap_or(text.len())];
        self.field = match self.field {
            Field::Absent => Field::Is(text),
            Field::Is(known) if known == text => self.field,
            Field::Is(_) | Field::Unclear => Field::Unclear,
        };
    }
}
