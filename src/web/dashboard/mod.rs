//! The HTML pages: one file per page with its view model and its template.
//!
//! A view model is built by a pure function from domain values, the visibility of the viewer and
//! the present instant; its template only prints it. All HTML comes from askama, which escapes by
//! default.

mod account_figures_table;
pub(crate) mod account_forms;
pub mod accounts_page;
pub(crate) mod alerts_section;
pub mod audit_page;
pub mod callback_page;
mod callback_row;
pub mod callback_urls;
pub mod callbacks_page;
mod campaign_figures;
mod campaign_form;
pub mod campaign_page;
pub mod campaign_resend_page;
pub mod campaigns_page;
pub mod error_page;
pub mod event_rows;
mod explanation_section;
mod failure_reasons;
pub mod filter_form;
mod form_field;
pub(crate) mod form_handlers;
pub mod funnel;
mod import_view;
pub mod login_page;
pub mod masked_text;
mod match_form;
mod message_details;
pub mod message_list_url;
pub mod message_page;
mod message_summary;
mod message_timeline;
pub mod messages_page;
pub mod number_format;
pub mod orphan_dismissal_page;
mod overview_accounts;
pub mod overview_page;
pub mod overview_period;
pub mod page_frame;
mod page_response;
mod problem_counts;
mod problem_item;
pub mod problems_page;
pub mod replay_page;
mod report_figures;
mod report_form;
mod report_money;
pub mod reports_page;
mod send_form;
pub(crate) mod send_page;
pub(crate) mod settings_forms;
pub mod settings_page;
mod stage_stepper;
pub mod state_pill;
pub mod time_element;
mod timeline_entry;
mod upload_form;
pub mod url_check_page;
pub(crate) mod user_forms;
pub mod visible_text;
mod volume_chart;
