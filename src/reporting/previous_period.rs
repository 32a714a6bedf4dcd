//! Computes the previous period, with which a period is compared.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::reporting::bucketed_statistics::{day_end, day_start};
use crate::store::bucket_counts::Period;

/// The period before with the same length: the same number of months if it consists of whole months
/// or is the beginning of one, else of days. It ends as far into its day as the period does.
pub(super) fn previous_period(period: &Period, zone: Tz) -> Period {
    let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
    let (first, last) = (
        day(period.from),
        day(period.to - TimeDelta::milliseconds(1)),
    );
    let months = months_covered(first, last);
    let days = u64::try_from((last - first).num_days() + 1).unwrap_or(1);
    let earlier = |day: NaiveDate| match months {
        Some(months) => day.checked_sub_months(Months::new(months)),
        None => day.checked_sub_days(Days::new(days)),
    };
    let move_back = |at: DateTime<Utc>| {
        let day = day(at);
        let within = at - day_start(day, zone);
        let Some(moved) = earlier(day) else {
            return at;
        };
        // Whole days end with the last day of a month that is shorter.
        if months.is_some() && within.is_zero() && moved.day() < day.day() {
            return day_end(moved, zone);
        }
        day_start(moved, zone) + within
    };
    let from = move_back(period.from);
    Period {
        from,
        // A shorter month before has fewer days.
        to: move_back(period.to).min(period.from),
        account: period.account.clone(),
        limit: period.limit.clone(),
    }
}

/// How many months a period covers, if it begins with the first day of a month, and ends with the
/// last day of one or within the same month.
fn months_covered(first: NaiveDate, last: NaiveDate) -> Option<u32> {
    let number = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
    let months = number(last) - number(first) + 1;
    let is_month_end = last.succ_opt().is_some_and(|next| next.day() == 1);
    let fits = first.day() == 1 && (is_month_end || months == 1);
    u32::try_from(months).ok().filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account_limit::AccountLimit;

    fn period(from: &str, to: &str) -> Period {
        Period {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            account: None,
            limit: AccountLimit::default(),
        }
    }

    #[test]
    fn the_period_before_has_the_same_length() {
        let berlin = chrono_tz::Europe::Berlin;
        for (zone, now, before) in [
            // A week up to the hour.
            (
                Tz::UTC,
                ("2026-11-21T00:00:00Z", "2026-11-27T09:15:00Z"),
                ("2026-11-14T00:00:00Z", "2026-11-20T09:15:00Z"),
            ),
            // The month so far.
            (
                Tz::UTC,
                ("2026-11-01T00:00:00Z", "2026-11-27T09:15:00Z"),
                ("2026-10-01T00:00:00Z", "2026-10-27T09:15:00Z"),
            ),
            // Whole months.
            (
                Tz::UTC,
                ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
                ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            ),
            (
                Tz::UTC,
                ("2026-03-01T00:00:00Z", "2026-03-31T12:00:00Z"),
                ("2026-02-01T00:00:00Z", "2026-02-28T12:00:00Z"),
            ),
            // Days that a shorter month does not have, at its end.
            (
                Tz::UTC,
                ("2026-03-01T00:00:00Z", "2026-03-29T00:00:00Z"),
                ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            ),
            // The day before had 25 hours.
            (
                berlin,
                ("2026-10-25T23:00:00Z", "2026-10-26T11:00:00Z"),
                ("2026-10-24T22:00:00Z", "2026-10-25T10:00:00Z"),
            ),
        ] {
            let earlier = previous_period(&period(now.0, now.1), zone);
            assert_eq!(earlier, period(before.0, before.1), "{now:?}");
        }
    }
}
