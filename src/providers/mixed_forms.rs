//! Forms into which the fields of several messages were written:
//! `id=A&status=sent&id=B&status=failed`. Which status belongs to which id is unknown, so such a
//! form reports on no message.

use serde_json::Value;

use crate::providers::payload::parse_text;

/// Names of ids, without `_` and in lower case.
const IDS: &[&str] = &[
    "externalid",
    "id",
    "messageid",
    "msgid",
    "uuid",
    "wamessageid",
    "wamid",
    "whatsappid",
    "whatsappmessageid",
];
/// Names of statuses, in the same way.
const STATUSES: &[&str] = &[
    "deliverystatus",
    "messagestatus",
    "state",
    "status",
    "statuscode",
];
/// More spellings of these names are not compared.
const NAMES_LIMIT: usize = 64;

/// The fields with identifying names.
#[derive(Debug, Default)]
pub(super) struct IdentifyingFields(Vec<Occurrences>);

#[derive(Debug)]
struct Occurrences {
    name: String,
    /// The first value that is present.
    value: Option<String>,
    /// Whether each occurrence has a value.
    has_value: Vec<bool>,
    differ: bool,
}

impl IdentifyingFields {
    pub(super) fn add(&mut self, name: &str, value: &str) {
        if !is_one_of(name, IDS) && !is_one_of(name, STATUSES) {
            return;
        }
        let value = parse_text(&Value::from(value));
        let Some(known) = self.0.iter_mut().find(|it| it.name == name) else {
            if self.0.len() < NAMES_LIMIT {
                self.0.push(Occurrences {
                    name: name.to_owned(),
                    has_value: vec![value.is_some()],
                    value,
                    differ: false,
                });
            }
            return;
        };
        known.has_value.push(value.is_some());
        match (&known.value, value) {
            (Some(first), Some(value)) => known.differ |= *first != value,
            (None, value) => known.value = value,
            (Some(_), None) => {}
        }
    }

    /// Whether there is an id and a status.
    pub(super) fn name_message(&self) -> bool {
        let has = |known: &[&str]| {
            let mut fields = self.0.iter();
            fields.any(|field| field.value.is_some() && is_one_of(&field.name, known))
        };
        has(IDS) && has(STATUSES)
    }

    pub(super) fn has_value_on_one_line(&self) -> bool {
        let mut values = self.0.iter().filter_map(|field| field.value.as_deref());
        values.any(|value| !value.contains(['\r', '\n']))
    }

    /// Why the fields cannot be those of one message. Absent values repeat nothing, but an id from
    /// one repetition and a status from another do not belong together.
    pub(super) fn find_contradiction(&self) -> Option<String> {
        if let Some(field) = self.0.iter().find(|it| it.differ) {
            return Some(format!(
                "a form that repeats {} with different values",
                field.name
            ));
        }
        let repeated = self.0.iter().filter(|it| it.has_value.len() > 1);
        let mixed = repeated.clone().enumerate().any(|(index, one)| {
            repeated
                .clone()
                .skip(index + 1)
                .any(|other| one.is_apart_from(other))
        });
        mixed.then(|| "a form that has the id and the status of different messages".to_owned())
    }
}

impl Occurrences {
    /// Whether two names are repeated together, and no repetition has values for both.
    fn is_apart_from(&self, other: &Self) -> bool {
        let mut both = self.has_value.iter().zip(&other.has_value);
        self.value.is_some()
            && other.value.is_some()
            && self.has_value.len() == other.has_value.len()
            && !both.any(|(one, other)| *one && *other)
    }
}

fn is_one_of(name: &str, known: &[&str]) -> bool {
    let letters = || {
        let letters = name.bytes().filter(|byte| *byte != b'_' && *byte != b'-');
        letters.map(|byte| byte.to_ascii_lowercase())
    };
    name.len() < 24 && known.iter().any(|known| letters().eq(known.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contradiction(form: &str) -> Option<String> {
        let mut fields = IdentifyingFields::default();
        for (name, value) in form_urlencoded::parse(form.as_bytes()) {
            fields.add(&name, &value);
        }
        fields.find_contradiction()
    }

    #[test]
    fn a_form_of_several_messages_is_recognized() {
        for (form, name) in [
            ("id=A&status=sent&id=B&status=failed", "id"),
            ("id=A&id=B&status=failed&wamid=C", "id"),
            ("id=A&status=sent&status=failed", "status"),
            ("message_id=A&status=sent&message_id=B", "message_id"),
            ("id=&Status=sent&id=B&Status=read", "Status"),
        ] {
            let expected = format!("a form that repeats {name} with different values");
            assert_eq!(contradiction(form), Some(expected), "{form}");
        }
        for form in [
            "id=&status=failed&id=B&status=",
            "id=A&status=&id=&status=read",
            "id=&id=A&status=sent&status=",
        ] {
            let expected = "a form that has the id and the status of different messages";
            assert_eq!(contradiction(form).as_deref(), Some(expected), "{form}");
        }
    }

    #[test]
    fn a_form_that_repeats_equal_or_absent_values_is_about_one_message() {
        for form in [
            "id=A&status=sent",
            "id=A&status=sent&id=A&status=sent",
            "id=&status=&id=A&status=sent",
            "id=&id=A&status=failed",
            "id=A&id=<id>&status=failed&id=",
            "id=&status=failed&id=A&status=failed",
            "id=A&message_id=B&status=sent",
            "id=A&status=sent&reason=a&reason=b&to=1&to=2",
            "",
        ] {
            assert_eq!(contradiction(form), None, "{form}");
        }
    }
}
