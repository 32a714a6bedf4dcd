//! The warnings with which a message was accepted, as JSON in a column.

use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::db::Error;
use crate::domain::ids::MessageId;
use crate::domain::message_warning::MessageWarning;
use crate::store::Store;
use crate::store::entities::message_warning_row::{Entity, Model};

impl Store {
    /// The warnings with which this message was accepted.
    pub async fn list_acceptance_warnings(
        &self,
        message: MessageId,
    ) -> Result<Vec<MessageWarning>, Error> {
        let row = Entity::find_by_id(message.uuid())
            .one(self.pools().reader())
            .await?;
        Ok(row.map_or_else(Vec::new, |row| read(&row.warnings)))
    }
}

/// Absent without warnings.
pub(super) fn row(message: MessageId, warnings: &[MessageWarning]) -> Option<Model> {
    (!warnings.is_empty()).then(|| Model {
        message: message.uuid(),
        warnings: write(warnings),
    })
}

pub(super) fn write(warnings: &[MessageWarning]) -> String {
    warnings
        .iter()
        .map(|warning| json!({ "code": warning.code.as_str(), "message": warning.message }))
        .collect::<Value>()
        .to_string()
}

/// Leaves out codes of later versions.
pub(super) fn read(text: &str) -> Vec<MessageWarning> {
    let written: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    written
        .iter()
        .filter_map(|warning| {
            Some(MessageWarning {
                code: warning.get("code")?.as_str()?.parse().ok()?,
                message: warning.get("message")?.as_str()?.to_owned(),
            })
        })
        .collect()
}
