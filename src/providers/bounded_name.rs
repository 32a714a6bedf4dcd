//! Reads the name of a JSON member, and keeps only the beginning of a long one.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Visitor};

use crate::providers::reading_budget::cut;

pub(super) struct BoundedName;

impl<'de> DeserializeSeed<'de> for BoundedName {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for BoundedName {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<String, E> {
        Ok(cut(name).to_owned())
    }
}
