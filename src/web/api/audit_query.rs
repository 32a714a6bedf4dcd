//! The query string of the audit log, for the API and the page.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};

use crate::domain::audit_action::ActionKind;
use crate::domain::ids::{ActionId, MessageId};
use crate::reporting::query_values::{parse_account, parse_instant, parse_word};
use crate::reporting::value_shape::ValueShape;
use crate::store::audit_log::{ActionCursor, ActionFilter};
use crate::web::api::cursor::Fingerprint;
use crate::web::api::parameters::Parameters;
use crate::web::api::query_parameter::{ACCOUNT, PageParameters, QueryParameter, query_parameters};
use crate::web::problem_json::FieldError;

query_parameters!(
    AuditParameters,
    [
        QueryParameter::new(
            "actor",
            "Who: the e-mail address of a user, the name of a token, or `command line`.",
            ValueShape::Text
        ),
        QueryParameter::new(
            "action",
            "What, such as `sign-in`, `resend` or `change-role`.",
            ValueShape::Word(|| ActionKind::ALL.map(ActionKind::as_str).to_vec())
        ),
        ACCOUNT,
        QueryParameter::new("message_id", "The id of a message.", ValueShape::Uuid),
        QueryParameter::new(
            "from",
            "Happened at or after this RFC 3339 instant, or on or after this day (UTC).",
            ValueShape::DayOrInstant
        ),
        QueryParameter::new(
            "to",
            "Happened before this RFC 3339 instant, or on or before this day (UTC).",
            ValueShape::DayOrInstant
        ),
    ]
);

pub(crate) struct AuditQuery {
    pub(crate) filter: ActionFilter,
    pub(crate) after: Option<ActionCursor>,
    pub(crate) limit: usize,
    fingerprint: Fingerprint,
}

impl AuditQuery {
    pub(crate) fn write_cursor(&self, last: ActionCursor) -> String {
        let millis = last.happened_at.timestamp_millis().to_be_bytes();
        let position = [millis.as_slice(), last.id.uuid().as_bytes()].concat();
        self.fingerprint.write_cursor(&position)
    }
}

pub(crate) fn parse(pairs: &[(String, String)]) -> Result<AuditQuery, Vec<FieldError>> {
    let known = [AuditParameters::LIST, PageParameters::LIST];
    let mut parameters = Parameters::read(pairs, &known);
    let filter = ActionFilter {
        actor: parameters.parse_with("actor", |text| Ok(text.to_owned())),
        kind: parameters.parse_with("action", |word| {
            parse_word(word, ActionKind::ALL, ActionKind::as_str)
        }),
        account: parameters.parse_with("account", parse_account),
        message: parameters.parse_with("message_id", |text| {
            let id = text.parse::<MessageId>();
            id.map_err(|_| "is not the id of a message".to_owned())
        }),
        from: parameters.parse_with("from", |text| parse_bound(text, 0)),
        to: parameters.parse_with("to", |text| parse_bound(text, 1)),
    };
    let query = AuditQuery {
        filter,
        after: parameters.cursor(read_position),
        limit: parameters.limit(),
        fingerprint: parameters.fingerprint(),
    };
    parameters.finish(query)
}

/// An instant, or the start of the day that is `later` days after the given one.
fn parse_bound(text: &str, later: u64) -> Result<DateTime<Utc>, String> {
    let day = text.parse::<NaiveDate>().ok();
    let day = day.and_then(|day| day.checked_add_days(Days::new(later)));
    match day {
        Some(day) => Ok(day.and_time(NaiveTime::MIN).and_utc()),
        None => parse_instant(text),
    }
}

/// The inverse of [`AuditQuery::write_cursor`].
fn read_position(position: &[u8]) -> Option<ActionCursor> {
    let (millis, id) = position.split_first_chunk::<8>()?;
    Some(ActionCursor {
        happened_at: DateTime::from_timestamp_millis(i64::from_be_bytes(*millis))?,
        id: ActionId::from(uuid::Uuid::from_bytes(id.try_into().ok()?)),
    })
}
