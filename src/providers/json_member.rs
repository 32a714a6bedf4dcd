//! Members of JSON objects by name.

use serde_json::{Map, Value};

/// Above this many members, hashing a name takes less time than comparing it with all of them.
const COMPARED_LIMIT: usize = 16;

pub(super) trait JsonMember {
    /// `None` also if this is no object.
    fn member(&self, name: &str) -> Option<&Value>;

    fn has_member(&self, name: &str) -> bool {
        self.member(name).is_some()
    }
}

impl JsonMember for Map<String, Value> {
    fn member(&self, name: &str) -> Option<&Value> {
        if self.len() > COMPARED_LIMIT {
            return self.get(name);
        }
        let mut members = self.iter();
        let (_, value) = members.find(|(other, _)| *other == name)?;
        Some(value)
    }
}

impl JsonMember for Value {
    fn member(&self, name: &str) -> Option<&Value> {
        self.as_object()?.member(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_objects_have_their_members() {
        for size in [0, 1, COMPARED_LIMIT, COMPARED_LIMIT + 1, 100] {
            let members = (0..size).map(|number| (format!("m{number}"), Value::from(number)));
            let object = Value::Object(members.collect());
            for number in 0..size {
                let name = format!("m{number}");
                assert_eq!(object.member(&name), Some(&Value::from(number)));
            }
            assert!(!object.has_member("m"));
            assert!(!object.has_member(&format!("m{size}")));
        }
        assert_eq!(Value::Null.member("m"), None);
    }
}
