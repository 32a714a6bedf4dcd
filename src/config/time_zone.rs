//! Names of time zones in the configuration.

use chrono_tz::Tz;

pub(super) fn parse_time_zone(text: &str) -> Result<Tz, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a time zone; write a name such as Asia/Kolkata"))
}
