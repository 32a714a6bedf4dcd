//! Records of callbacks for the journal.

use bluetick::domain::callback_record::{Authenticity, CallbackRecord, Route};
use bluetick::domain::ids::CallbackId;
use chrono::{DateTime, Utc};

/// A verified callback of the account `shop`, without headers.
pub(crate) fn callback_record(received_at: DateTime<Utc>, body: &[u8]) -> CallbackRecord {
    CallbackRecord {
        id: CallbackId::new(received_at),
        account: "shop".parse().unwrap(),
        route: Route::Callback,
        method: "POST".to_owned(),
        query: String::new(),
        headers: Vec::new(),
        remote: None,
        received_at,
        body: body.to_vec(),
        authenticity: Authenticity::Verified,
    }
}
