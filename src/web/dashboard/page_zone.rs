//! The zone of a page: every time, day and chart on it is in this one.
//!
//! It is the zone that the viewer chose in the settings, else the zone of the browser, which the
//! script names in a cookie, else `report_time_zone`. Days and charts follow it as well as times: counts
//! are kept by the quarter hour, so days of any zone add up, and a page on which "today" began at
//! another midnight than its clock shows would have two zones. `/reports` is in `report_time_zone` for
//! everyone: its figures are sent to others.

use std::future::{Ready, ready};

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpRequest, web};
use chrono_tz::Tz;

use crate::services::Services;
use crate::web::session_cookie;

/// Chosen in the settings.
const CHOICE: &str = "bluetick_zone";
/// Of the browser; `static/app.js` sets it.
const BROWSER: &str = "bluetick_browser_zone";
const KEPT_DAYS: i64 = 365;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PageZone {
    pub(crate) zone: Tz,
    /// The zone that was chosen in the settings, if one was.
    pub(super) chosen: Option<Tz>,
}

impl PageZone {
    /// The zone of the viewer who sent the request.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let named = |cookie| request.cookie(cookie)?.value().parse::<Tz>().ok();
        let chosen = named(CHOICE);
        let configured = request
            .app_data::<web::Data<Services>>()
            .map_or(Tz::UTC, |services| services.config.report_time_zone);
        Self {
            zone: chosen.or_else(|| named(BROWSER)).unwrap_or(configured),
            chosen,
        }
    }
}

impl FromRequest for PageZone {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

/// Remembers a choice, or forgets it.
pub(super) fn choice_cookie(zone: Option<Tz>, public_url: &str) -> Cookie<'static> {
    let cookie = Cookie::build(CHOICE, zone.map_or("", Tz::name))
        .path("/")
        .secure(session_cookie::is_secure(public_url))
        .http_only(true)
        .same_site(SameSite::Lax);
    match zone {
        Some(_) => cookie.max_age(Duration::days(KEPT_DAYS)).finish(),
        None => cookie.max_age(Duration::ZERO).finish(),
    }
}
