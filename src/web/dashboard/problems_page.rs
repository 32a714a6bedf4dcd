//! `/problems`: what needs attention? Each kind with its reason, the next step, and forms.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::scope::{Caller, Visibility};
use crate::reporting::number_format::{counted, format_count};
use crate::reporting::problem_items::{self, ProblemItems, ProblemList, message_query};
use crate::reporting::problem_kind::ProblemKind;
use crate::services::Services;
use crate::web::dashboard::match_form::MatchFormError;
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, respond};
use crate::web::dashboard::problem_item::{ProblemItem, items_of};
use crate::web::error::ApiError;

/// Items per kind on the problems page.
pub(super) const PROBLEMS_SHOWN: usize = 25;

pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let lists = problem_items::list(&services, PROBLEMS_SHOWN).await?;
    respond(&services, ProblemsPage::new(&lists, caller.visibility())).await
}

#[derive(Template, Clone, Debug)]
#[template(path = "problems.html")]
pub struct ProblemsPage {
    pub(super) frame: Frame,
    sections: Vec<ProblemSection>,
    /// Whether orphans can be selected.
    dismissal: bool,
}

#[derive(Clone, Debug)]
struct ProblemSection {
    id: &'static str,
    title: &'static str,
    count: String,
    why: &'static str,
    next_step: &'static str,
    items: Vec<ProblemItem>,
    /// URL of the page that dismisses many at once.
    dismiss_all: Option<&'static str>,
    /// How many more there are, and the URL of the list.
    more: Option<(String, Option<String>)>,
}

impl ProblemsPage {
    pub fn new(lists: &[ProblemList], viewer: Visibility) -> Self {
        let sections: Vec<ProblemSection> = lists
            .iter()
            .map(|list| ProblemSection::new(list, viewer))
            .collect();
        let items = || sections.iter().flat_map(|section| &section.items);
        Self {
            frame: Frame::in_section(NavigationSection::Problems, "Problems", Refresh::Never),
            dismissal: items().any(|item| item.selectable.is_some()),
            sections,
        }
    }

    /// Shows why the last attempt to match failed. The page does not refresh then.
    pub(super) fn with_match_error(mut self, error: &MatchFormError) -> Self {
        self.frame = Frame::in_section(NavigationSection::Problems, "Problems", Refresh::Never);
        self.sections
            .iter_mut()
            .flat_map(|section| &mut section.items)
            .filter_map(|item| item.match_form.as_mut())
            .for_each(|form| form.show_error(error));
        self
    }
}

/// The complete list behind a kind of problem.
pub(super) fn list_href(kind: ProblemKind) -> Option<String> {
    match kind {
        ProblemKind::Quarantine => Some("/callbacks?outcome=quarantined".to_owned()),
        ProblemKind::Unverified => Some("/callbacks?outcome=unverified".to_owned()),
        kind => {
            let list = MessageListUrl {
                query: message_query(kind)?,
                ..MessageListUrl::default()
            };
            Some(list.href())
        }
    }
}

impl ProblemSection {
    fn new(list: &ProblemList, viewer: Visibility) -> Self {
        let items = items_of(list, viewer);
        let shown = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let rest = list.count.saturating_sub(shown);
        Self {
            id: list.kind.as_str(),
            title: list.kind.title(),
            count: format_count(list.count),
            why: list.kind.reason(),
            next_step: list.kind.next_step(),
            dismiss_all: (list.kind == ProblemKind::Orphans && viewer == Visibility::Full)
                .then_some("/orphans/put-aside"),
            more: (rest > 0 && list.items != ProblemItems::Nothing).then(|| {
                let text = format!(
                    "{} not shown here",
                    counted(rest, "older item", "older items")
                );
                (text, list_href(list.kind))
            }),
            items,
        }
    }
}

impl FramedPage for ProblemsPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
