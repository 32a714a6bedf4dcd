//! What surrounds every page: title, navigation, and whether it follows live changes.

use crate::reporting::alarms::Alarm;
use crate::web::dashboard::figure::count;

/// A page of the navigation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Section {
    /// `/`
    Overview,
    /// `/messages`
    Messages,
    /// `/problems`
    Problems,
    /// `/callbacks`
    Callbacks,
    /// `/accounts`
    Accounts,
    /// `/reports`
    Reports,
}

impl Section {
    const ALL: [Self; 6] = [
        Self::Overview,
        Self::Messages,
        Self::Problems,
        Self::Callbacks,
        Self::Accounts,
        Self::Reports,
    ];

    /// Its name in the navigation.
    pub fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Messages => "Messages",
            Self::Problems => "Problems",
            Self::Callbacks => "Callbacks",
            Self::Accounts => "Accounts",
            Self::Reports => "Reports",
        }
    }

    fn address(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Messages => "/messages",
            Self::Problems => "/problems",
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
    problems: u64,
    pub(super) alarms: Vec<AlarmNotice>,
}

/// An alarm as every page shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct AlarmNotice {
    pub(super) title: &'static str,
    pub(super) words: String,
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
            problems: 0,
            alarms: Vec::new(),
        }
    }

    /// A page without navigation: nobody is signed in.
    pub fn outside(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            place: Place::Outside,
            refresh: Refresh::Still,
            problems: 0,
            alarms: Vec::new(),
        }
    }

    /// A page with navigation that belongs to no section.
    pub fn nowhere(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            place: Place::Beside,
            refresh: Refresh::Still,
            problems: 0,
            alarms: Vec::new(),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.refresh == Refresh::Live
    }

    /// Notes how many problems are open, for the navigation.
    pub(super) fn note_problems(&mut self, problems: u64) {
        self.problems = problems;
    }

    /// Shows alarms above the page.
    pub(super) fn note_alarms(&mut self, alarms: Vec<Alarm>) {
        let notice = |alarm: Alarm| AlarmNotice {
            title: alarm.kind.title(),
            words: alarm.words,
        };
        self.alarms = alarms.into_iter().map(notice).collect();
    }

    /// Every page's link; empty for who is not signed in.
    pub(super) fn navigation(&self) -> Vec<NavigationLink> {
        let current = match self.place {
            Place::In(section) => Some(section),
            Place::Beside => None,
            Place::Outside => return Vec::new(),
        };
        Section::ALL
            .into_iter()
            .map(|section| NavigationLink {
                title: section.title(),
                address: section.address(),
                current: Some(section) == current,
                badge: (section == Section::Problems && self.problems > 0)
                    .then(|| count(self.problems)),
            })
            .collect()
    }
}

/// A link of the navigation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NavigationLink {
    pub(super) title: &'static str,
    pub(super) address: &'static str,
    /// Whether it is the page's own section.
    pub(super) current: bool,
    /// How many things wait there.
    pub(super) badge: Option<String>,
}
