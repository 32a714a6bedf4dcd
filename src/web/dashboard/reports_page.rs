//! `/reports`: export of messages, with the filters of `/messages`.

use askama::Template;

use crate::domain::ids::AccountId;
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::messages_page::FilterForm;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};

/// The form goes to `/messages/export`, which converts days to instants and redirects to the API's
/// file.
#[derive(Template, Clone, Debug)]
#[template(path = "reports.html")]
pub struct ReportsPage {
    pub(super) frame: Frame,
    form: FilterForm,
    zone: &'static str,
}

impl ReportsPage {
    pub fn new(url: &MessageListUrl, accounts: &[AccountId], zone: chrono_tz::Tz) -> Self {
        Self {
            frame: Frame::in_section(NavigationSection::Reports, "Reports", Refresh::Never),
            form: FilterForm::new(url, accounts),
            zone: zone.name(),
        }
    }
}
