//! The form that compares a provider's file with our messages, on `/reports` and `/settlement`.

use crate::domain::provider::ProviderId;
use crate::reporting::number_format::{format_count, size};
use crate::reporting::settlement::{FileField, known_columns};
use crate::services::Services;
use crate::web::dashboard::filter_form::SelectOption;
use crate::web::dashboard::form_field::FormField;
use crate::web::dashboard::upload_form::UploadForm;
use crate::web::problem_json::FieldError;

/// In bytes.
pub(super) const FILE_LIMIT: usize = 64 * 1024 * 1024;
/// Together with [`MESSAGE_LIMIT`], about 200 MB of memory.
pub(super) const ROW_LIMIT: usize = 200_000;
/// Our messages on the days of the file.
pub(super) const MESSAGE_LIMIT: usize = 500_000;

#[derive(Clone, Debug)]
pub(super) struct SettlementForm {
    pub(super) accounts: Vec<SelectOption>,
    /// Zones to choose from for times without a zone.
    pub(super) zones: Vec<SelectOption>,
    pub(super) map: FormField,
    /// Fields of the first and the last day.
    pub(super) days: Vec<FormField>,
    pub(super) account_error: Option<String>,
    pub(super) file_error: Option<String>,
    pub(super) zone_error: Option<String>,
    /// Name of the file that has to be chosen again.
    pub(super) chosen_file: Option<String>,
    /// Present if the file lacks a column that is needed.
    pub(super) found_columns: Option<FoundColumns>,
    /// What each provider's file needs.
    pub(super) columns: Vec<ProviderColumns>,
    pub(super) fields: String,
    pub(super) limits: String,
}

/// Which columns a file has, and which it needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FoundColumns {
    pub(super) has: Vec<String>,
    /// Empty if no file format of the provider is known.
    pub(super) needs: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct ProviderColumns {
    pub(super) provider: &'static str,
    /// Empty if no file format of the provider is known.
    pub(super) required: String,
    pub(super) others: String,
}

impl SettlementForm {
    pub(super) fn empty(services: &Services) -> Self {
        Self::of(services, &UploadForm::default())
    }

    pub(super) fn of(services: &Services, given: &UploadForm) -> Self {
        let option = |value: String, label: String, chosen: bool| SelectOption {
            selected: chosen,
            label,
            value,
        };
        // Preselected: the only account of a provider whose file format is known.
        let mut known = services
            .accounts
            .values()
            .filter(|account| !known_columns(account.provider()).0.is_empty());
        let preselected = known.next().filter(|_| known.next().is_none());
        let accounts = services.accounts.values().map(|account| {
            let label = format!("{} ({})", account.id, account.provider().title());
            let id = account.id.to_string();
            let chosen = match given.text("account") {
                "" => preselected.is_some_and(|it| it.id == account.id),
                chosen => id == chosen,
            };
            option(id, label, chosen)
        });
        let mut zones = vec!["UTC"];
        let ours = services.config.report_time_zone.name();
        zones.extend(Some(ours).filter(|zone| *zone != "UTC"));
        let field = |text| FormField::new(text, given);
        Self {
            accounts: accounts.collect(),
            zones: zones
                .into_iter()
                .map(|zone| option(zone.to_owned(), zone.to_owned(), zone == given.text("tz")))
                .collect(),
            map: field((
                "map",
                "Columns",
                "text",
                "id=ID,to=TO,status=STATUS,time=TIME",
                "",
            )),
            days: vec![
                field(("from", "First day", "date", "", "")),
                field(("to", "Last day", "date", "", "")),
            ],
            account_error: None,
            file_error: None,
            zone_error: None,
            chosen_file: None,
            found_columns: None,
            columns: columns(services),
            fields: FileField::ALL.map(FileField::as_str).join(", "),
            limits: format!(
                "At most {}, {} rows, and {} of our messages on the days of the file",
                size(FILE_LIMIT as u64),
                format_count(ROW_LIMIT as u64),
                format_count(MESSAGE_LIMIT as u64)
            ),
        }
    }

    /// With the error at its field.
    pub(super) fn with_error(mut self, error: FieldError) -> Self {
        let mut days = self.days.iter_mut();
        let place = match error.field.as_str() {
            "account" => &mut self.account_error,
            "map" => &mut self.map.error,
            "tz" => &mut self.zone_error,
            name => days
                .find(|day| day.name == name)
                .map_or(&mut self.file_error, |day| &mut day.error),
        };
        *place = Some(error.message);
        self
    }
}

/// The known columns of each provider that has an account.
fn columns(services: &Services) -> Vec<ProviderColumns> {
    let is_used = |provider: &ProviderId| {
        let mut accounts = services.accounts.values();
        accounts.any(|account| account.provider() == *provider)
    };
    let providers = ProviderId::ALL.into_iter().filter(is_used);
    providers
        .map(|provider| {
            let (required, others) = known_columns(provider);
            ProviderColumns {
                provider: provider.title(),
                required: required.join(", "),
                others: others.join(", "),
            }
        })
        .collect()
}
