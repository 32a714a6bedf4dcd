//! `/api/v1/windows`: whether WhatsApp accepts a free-form message to a customer now.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::AccountId;
use crate::domain::phone_text::parse_user_id;
use crate::domain::window::Window;
use crate::sending::recipient_number;
use crate::services::Services;
use crate::web::api::path_parameters::WindowPath;
use crate::web::api::wire;
use crate::web::error::ApiError;

/// The 24-hour window of one customer.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct WindowResponse {
    /// `open`, `closed`, or `unknown` until the account's first inbound message ever.
    pub(crate) state: &'static str,
    /// When it closes, or closed at the latest; absent where the customer never wrote and no message
    /// was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<String>,
}

/// Show whether WhatsApp accepts a free-form message to a customer now
///
/// 24 hours from the customer's last message; unknown until the account's first inbound message. A
/// message that fails with 131047 or 470 closes it until the customer writes again.
#[utoipa::path(
    get,
    path = "/api/v1/windows/{account}/{phone}",
    operation_id = "showWindow",
    params(WindowPath),
    responses((status = 200, body = WindowResponse, description = "The window.")),
)]
pub(crate) async fn show(
    services: web::Data<Services>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (account, phone) = path.into_inner();
    let account: AccountId = account.parse().map_err(|_| ApiError::NotFound)?;
    if !services.store.list_accounts().await?.contains_key(&account) {
        return Err(ApiError::NotFound);
    }
    let identity = match parse_user_id(&phone) {
        Some(user_id) => user_id,
        None => recipient_number::parse_stored(&phone)
            .map(|number| number.digits().to_owned())
            .map_err(|error| ApiError::field("phone", error.to_string()))?,
    };
    let store = &services.store;
    let now = services.clock.now();
    let events = store.find_window_events(&account, &identity, now).await?;
    let window = Window::at(now, events);
    Ok(HttpResponse::Ok().json(WindowResponse {
        state: window.as_str(),
        expires_at: window.expires_at().map(wire::time),
    }))
}
