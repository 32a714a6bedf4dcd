//! `/reports`: the rows behind the numbers, to take away. The same filters as `/messages`.

use askama::Template;

use crate::domain::ids::AccountId;
use crate::web::dashboard::address::MessagesAddress;
use crate::web::dashboard::frame::{Frame, Refresh, Section};
use crate::web::dashboard::messages::FilterForm;

/// The page. Its form goes to `/messages/export`, which turns days into instants and redirects to the API's file.
#[derive(Template, Clone, Debug)]
#[template(path = "reports.html")]
pub struct ReportsPage {
    pub(super) frame: Frame,
    form: FilterForm,
    zone: &'static str,
}

impl ReportsPage {
    /// The form, filled in from an address.
    pub fn new(address: &MessagesAddress, accounts: &[AccountId], zone: chrono_tz::Tz) -> Self {
        Self {
            frame: Frame::inside(Section::Reports, "Reports", Refresh::Still),
            form: FilterForm::new(address, accounts),
            zone: zone.name(),
        }
    }
}
