//! What surrounds every page: title, navigation, and whether it follows live changes.

/// A page of the navigation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Section {
    /// `/`
    Overview,
    /// `/messages`
    Messages,
    /// `/callbacks`
    Callbacks,
    /// `/accounts`
    Accounts,
    /// `/reports`
    Reports,
}

impl Section {
    const ALL: [Self; 5] = [
        Self::Overview,
        Self::Messages,
        Self::Callbacks,
        Self::Accounts,
        Self::Reports,
    ];

    /// Its name in the navigation.
    pub fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Messages => "Messages",
            Self::Callbacks => "Callbacks",
            Self::Accounts => "Accounts",
            Self::Reports => "Reports",
        }
    }

    fn address(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Messages => "/messages",
            Self::Callbacks => "/callbacks",
            Self::Accounts => "/accounts",
            Self::Reports => "/reports",
        }
    }
}

/// Whether a page is fetched again when something changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresh {
    /// It shows the present and follows it.
    Live,
    /// It shows a point in the past, or a form.
    Still,
}

/// The surroundings of one page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    pub(super) title: String,
    place: Place,
    refresh: Refresh,
}

/// Where a page stands in the navigation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    In(Section),
    /// Signed in, but in no section: an error.
    Beside,
    /// Nobody is signed in.
    Outside,
}

impl Frame {
    /// A page of someone who is signed in.
    pub fn inside(section: Section, title: impl Into<String>, refresh: Refresh) -> Self {
        Self {
            title: title.into(),
            place: Place::In(section),
            refresh,
        }
    }

    /// A page without navigation: nobody is signed in.
    pub fn outside(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            place: Place::Outside,
            refresh: Refresh::Still,
        }
    }

    /// A page with navigation that belongs to no section.
    pub fn nowhere(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            place: Place::Beside,
            refresh: Refresh::Still,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.refresh == Refresh::Live
    }

    /// Name, address and whether it is the page's own section; empty for who is not signed in.
    pub(super) fn navigation(&self) -> Vec<(&'static str, &'static str, bool)> {
        let current = match self.place {
            Place::In(section) => Some(section),
            Place::Beside => None,
            Place::Outside => return Vec::new(),
        };
        Section::ALL
            .into_iter()
            .map(|section| (section.title(), section.address(), Some(section) == current))
            .collect()
    }
}
