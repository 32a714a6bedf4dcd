//! The time zone of a page, used for every time, day and chart on it.
//!
//! It is the zone that the viewer chose in the settings, else the zone of the browser, which the
//! script puts into a cookie, else `report_time_zone`. Counts are kept per quarter hour, so they add up to
//! days in any zone. `/reports` uses `report_time_zone` for everyone, because its figures are passed on
//! to others.

use std::future::{Ready, ready};

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpRequest, web};
use chrono_tz::Tz;

use crate::services::Services;
use crate::web::session_cookie;

/// The cookie with the zone chosen in the settings.
const CHOICE_COOKIE: &str = "bluetick_zone";
/// The cookie with the zone of the browser; `static/app.js` sets it.
const BROWSER_COOKIE: &str = "bluetick_browser_zone";
const COOKIE_DAYS: i64 = 365;

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
        let chosen = named(CHOICE_COOKIE);
        let configured = request
            .app_data::<web::Data<Services>>()
            .map_or(Tz::UTC, |services| services.config.report_time_zone);
        Self {
            zone: chosen
                .or_else(|| named(BROWSER_COOKIE))
                .unwrap_or(configured),
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

/// Stores the chosen zone in the browser; `None` deletes it.
pub(super) fn choice_cookie(zone: Option<Tz>, public_url: &str) -> Cookie<'static> {
    let cookie = Cookie::build(CHOICE_COOKIE, zone.map_or("", Tz::name))
        .path("/")
        .secure(session_cookie::is_secure(public_url))
        .http_only(true)
        .same_site(SameSite::Lax);
    match zone {
        Some(_) => cookie.max_age(Duration::days(COOKIE_DAYS)).finish(),
        None => cookie.max_age(Duration::ZERO).finish(),
    }
}
