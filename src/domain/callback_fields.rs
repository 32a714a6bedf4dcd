//! Names that an operator chose for the values of a callback profile. How such callbacks are read stands in `providers`.

/// Under which name each value comes; an absent one comes under the provider's usual names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallbackFields {
    /// The message's id.
    pub id: Option<String>,
    /// The status word.
    pub status: Option<String>,
    /// When it happened.
    pub time: Option<String>,
    /// The customer.
    pub recipient: Option<String>,
    /// The first reference.
    pub reference: Option<String>,
    /// The second reference.
    pub reference1: Option<String>,
    /// The third reference.
    pub reference2: Option<String>,
    /// Why it failed: a code or words.
    pub error: Option<String>,
    /// What it cost.
    pub price: Option<String>,
}

impl CallbackFields {
    /// Every value by its key in the configuration, with the name it comes under.
    pub fn named(&self) -> [(&'static str, Option<&str>); 9] {
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

    /// Whether no name was chosen.
    pub fn is_empty(&self) -> bool {
        self.named().iter().all(|(_, name)| name.is_none())
    }
}
