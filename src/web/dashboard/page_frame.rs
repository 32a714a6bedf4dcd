//! The frame of every page: title, navigation, alarms, and whether the page follows live changes.

use chrono_tz::Tz;

use crate::reporting::alarms::Alarm;
use crate::reporting::number_format::format_count;
use crate::web::dashboard::page_zone::PageZone;
use crate::web::dashboard::timed_text::TimedText;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NavigationSection {
    Overview,
    Messages,
    /// Only for viewers who may send.
    Send,
    Campaigns,
    Problems,
    Callbacks,
    Accounts,
    Reports,
}

impl NavigationSection {
    const ALL: [Self; 8] = [
        Self::Overview,
        Self::Messages,
        Self::Send,
        Self::Campaigns,
        Self::Problems,
        Self::Callbacks,
        Self::Accounts,
        Self::Reports,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Messages => "Messages",
            Self::Send => "Send",
            Self::Campaigns => "Campaigns",
            Self::Problems => "Problems",
            Self::Callbacks => "Callbacks",
            Self::Accounts => "Accounts",
            Self::Reports => "Reports",
        }
    }

    fn href(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Messages => "/messages",
            Self::Send => "/send",
            Self::Campaigns => "/campaigns",
            Self::Problems => "/problems",
            Self::Callbacks => "/callbacks",
            Self::Accounts => "/accounts",
            Self::Reports => "/reports",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresh {
    /// The script fetches the page again when something changes.
    Live,
    /// A list: known rows change in place, new ones are only counted until the viewer asks for them.
    Announced,
    Never,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    pub(super) title: String,
    position: NavigationPosition,
    refresh: Refresh,
    problems: u64,
    pub(super) alarms: Vec<AlarmNotice>,
    /// The zone of every time on the page, for pages that do not depend on the viewer.
    fixed_zone: Option<Tz>,
    page_zone: Option<PageZone>,
    /// The viewer may send messages.
    may_send: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct AlarmNotice {
    pub(super) title: &'static str,
    pub(super) text: TimedText,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NavigationPosition {
    In(NavigationSection),
    /// Signed in, but in no section: an error page.
    NoSection,
    SignedOut,
}

impl Frame {
    pub fn in_section(
        section: NavigationSection,
        title: impl Into<String>,
        refresh: Refresh,
    ) -> Self {
        Self {
            title: title.into(),
            position: NavigationPosition::In(section),
            refresh,
            problems: 0,
            alarms: Vec::new(),
            fixed_zone: None,
            page_zone: None,
            may_send: false,
        }
    }

    pub fn signed_out(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            position: NavigationPosition::SignedOut,
            refresh: Refresh::Never,
            problems: 0,
            alarms: Vec::new(),
            fixed_zone: None,
            page_zone: None,
            may_send: false,
        }
    }

    pub fn without_section(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            position: NavigationPosition::NoSection,
            refresh: Refresh::Never,
            problems: 0,
            alarms: Vec::new(),
            fixed_zone: None,
            page_zone: None,
            may_send: false,
        }
    }

    /// The value of `data-live`.
    pub(super) fn live_mode(&self) -> Option<&'static str> {
        match self.refresh {
            Refresh::Live => Some("page"),
            Refresh::Announced => Some("list"),
            Refresh::Never => None,
        }
    }

    pub(super) fn is_list(&self) -> bool {
        self.refresh == Refresh::Announced
    }

    pub(super) fn set_may_send(&mut self, may_send: bool) {
        self.may_send = may_send;
    }

    /// For a page that shows the same times to all viewers.
    pub(super) fn fix_zone(&mut self, zone: Tz) {
        self.fixed_zone = Some(zone);
    }

    /// Returns the zone in which the page shows its times: the fixed one if there is one.
    pub(super) fn set_page_zone(&mut self, page_zone: PageZone) -> Tz {
        self.page_zone = Some(page_zone);
        self.fixed_zone.unwrap_or(page_zone.zone)
    }

    /// Absent on pages for visitors who are not signed in, which show no times.
    pub(super) fn zone_name(&self) -> Option<&'static str> {
        let zone = self.page_zone.map(|page_zone| page_zone.zone);
        self.fixed_zone.or(zone).map(Tz::name)
    }

    /// The zone that the viewer chose in the settings.
    pub(super) fn chosen_zone(&self) -> Option<Tz> {
        self.page_zone.and_then(|page_zone| page_zone.chosen)
    }

    pub(super) fn set_problem_count(&mut self, problems: u64) {
        self.problems = problems;
    }

    pub(super) fn set_alarms(&mut self, alarms: Vec<Alarm>) {
        let notice = |alarm: Alarm| AlarmNotice {
            title: alarm.kind.title(),
            text: TimedText::from_utc(&alarm.text),
        };
        self.alarms = alarms.into_iter().map(notice).collect();
    }

    /// Empty without a session.
    pub(super) fn navigation(&self) -> Vec<NavigationLink> {
        let current = match self.position {
            NavigationPosition::In(section) => Some(section),
            NavigationPosition::NoSection => None,
            NavigationPosition::SignedOut => return Vec::new(),
        };
        NavigationSection::ALL
            .into_iter()
            .filter(|section| *section != NavigationSection::Send || self.may_send)
            .map(|section| NavigationLink {
                title: section.title(),
                href: section.href(),
                current: Some(section) == current,
                badge: (section == NavigationSection::Problems && self.problems > 0)
                    .then(|| format_count(self.problems)),
            })
            .collect()
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NavigationLink {
    pub(super) title: &'static str,
    pub(super) href: &'static str,
    pub(super) current: bool,
    /// Number of open problems.
    pub(super) badge: Option<String>,
}
