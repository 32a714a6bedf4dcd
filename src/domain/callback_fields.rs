//! The `callback_fields` of an account: field names that the operator chose in a callback profile.

/// The field name of each value; `None` means the provider's default field names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbackFields {
    pub id: Option<String>,
    pub status: Option<String>,
    pub time: Option<String>,
    pub recipient: Option<String>,
    pub reference: Option<String>,
    pub reference1: Option<String>,
    pub reference2: Option<String>,
    /// An error code or text.
    pub error: Option<String>,
    pub price: Option<String>,
}

impl CallbackFields {
    /// Each configuration key with the chosen field name.
    pub fn by_key(&self) -> [(&'static str, Option<&str>); 9] {
        [
            ("id", self.id.as_deref()),
            ("status", self.status.as_deref()),
            ("time", self.time.as_deref()),
            ("recipient", self.recipient.as_deref()),
            ("ref", self.reference.as_deref()),
            ("ref1", self.reference1.as_deref()),
            ("ref2", self.reference2.as_deref()),
            ("error", self.error.as_deref()),
            ("price", self.price.as_deref()),
        ]
    }

    pub fn is_empty(&self) -> bool {
        self.by_key().iter().all(|(_, name)| name.is_none())
    }
}
