//! JSON bodies, with errors that name the field; the configuration of actix's extractors.

use actix_web::error::PathError;
use actix_web::web;
use serde::de::DeserializeOwned;

use crate::web::error::ApiError;
use crate::web::problem_json::FieldError;

/// Errors name an invalid or unknown field by its path.
pub fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        json_error(&path, error.inner())
    })?;
    reader
        .end()
        .map_err(|error| ApiError::MalformedJson(error.to_string()))?;
    Ok(value)
}

/// Of actix's extractors, handlers use only the one for paths.
pub fn configure_extractors(config: &mut web::ServiceConfig) {
    config.app_data(web::PathConfig::default().error_handler(|error, _| path_error(&error).into()));
}

fn json_error(path: &str, error: &serde_json::Error) -> ApiError {
    if !error.is_data() {
        return ApiError::MalformedJson(error.to_string());
    }
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    ApiError::Invalid(vec![field_error(path, message)])
}

/// A path with a value of the wrong type is answered as not found.
fn path_error(error: &PathError) -> ApiError {
    match error {
        PathError::Deserialize(_) => ApiError::NotFound,
        other => ApiError::MalformedRequest(other.to_string()),
    }
}

/// Serde reports a missing field by the path of its container, and its name in backticks.
fn field_error(path: &str, text: &str) -> FieldError {
    let container = if path == "." { "" } else { path };
    if let Some(name) = quoted_after(text, "missing field `") {
        let field = if container.is_empty() {
            name.to_owned()
        } else {
            format!("{container}.{name}")
        };
        return FieldError::new(field, "is missing");
    }
    let unknown = quoted_after(text, "unknown field `");
    let field = match (container, unknown) {
        ("", Some(name)) => name,
        ("", None) => "request",
        (container, _) => container,
    };
    match unknown {
        Some(_) => FieldError::new(field, unknown_message(text)),
        None => FieldError::new(field, without_type_name(text)),
    }
}

/// Serde lists the known fields in backticks.
fn unknown_message(text: &str) -> String {
    let listed = text
        .rsplit_once("`, expected ")
        .map_or("", |(_, list)| list);
    let known: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
    if known.is_empty() {
        return "is not known here".to_owned();
    }
    format!("is not known here; use {}", known.join(", "))
}

/// Serde names the Rust type that it expected.
fn without_type_name(text: &str) -> String {
    let Some((found, expected)) = text.rsplit_once(", expected ") else {
        return text.to_owned();
    };
    let expected = match expected {
        "f32" | "f64" => "a number",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        name if name.starts_with("struct ") => "an object",
        other => other,
    };
    format!("{found}, expected {expected}")
}

fn quoted_after<'a>(text: &'a str, opening: &str) -> Option<&'a str> {
    text.strip_prefix(opening)?.split('`').next()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::web::problem_code::ProblemCode;

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only parsing is tested")]
        media: Inner,
    }

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only parsing is tested")]
        url: String,
    }

    fn rejected(body: &str) -> ApiError {
        parse_json::<Outer>(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn an_invalid_field_is_named_by_its_path() {
        for (body, field) in [
            (r#"{"media":{"url":1}}"#, "media.url"),
            (r#"{"media":{}}"#, "media.url"),
            (r#"{"media":{"url":"x","link":"y"}}"#, "media.link"),
            (r#"{"media":{"url":"x"},"colour":"y"}"#, "colour"),
            ("{}", "media"),
        ] {
            let ApiError::Invalid(errors) = rejected(body) else {
                panic!("{body} is not invalid");
            };
            assert_eq!(errors[0].field, field, "{body}");
        }
    }

    #[test]
    fn the_known_fields_are_named_beside_an_unknown_one() {
        #[derive(Deserialize, Debug)]
        #[serde(deny_unknown_fields)]
        struct Empty {}
        #[derive(Deserialize, Debug)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only parsing is tested")]
        struct Two {
            to: String,
            kind: String,
        }
        #[derive(Deserialize, Debug)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only parsing is tested")]
        struct Three {
            to: String,
            kind: String,
            caption: Option<String>,
        }
        let one = parse_json::<Inner>(br#"{"link":1}"#).unwrap_err();
        let two = parse_json::<Two>(br#"{"link":1}"#).unwrap_err();
        let three = parse_json::<Three>(br#"{"link":1}"#).unwrap_err();
        let none = parse_json::<Empty>(br#"{"link":1}"#).unwrap_err();
        for (error, message) in [
            (one, "is not known here; use url"),
            (two, "is not known here; use to, kind"),
            (three, "is not known here; use to, kind, caption"),
            (none, "is not known here"),
        ] {
            let ApiError::Invalid(errors) = error else {
                panic!("{error} is not invalid");
            };
            assert_eq!(errors[0].message, message);
        }
    }

    #[test]
    fn a_value_of_another_type_is_reported_without_a_type_of_rust() {
        let ApiError::Invalid(errors) = rejected(r#"{"media":"https://a.example/b.jpg"}"#) else {
            panic!("it is not invalid");
        };
        let text = "invalid type: string \"https://a.example/b.jpg\", expected an object";
        assert_eq!(errors[0].message, text);
        for (text, plain) in [
            (
                "invalid type: string \"5\", expected f64",
                "invalid type: string \"5\", expected a number",
            ),
            (
                "invalid value: integer `-1`, expected u32",
                "invalid value: integer `-1`, expected a whole number",
            ),
            (
                "invalid type: map, expected a string",
                "invalid type: map, expected a string",
            ),
        ] {
            assert_eq!(without_type_name(text), plain);
        }
    }

    #[test]
    fn a_body_that_is_not_json_is_malformed() {
        for body in ["", "{", "hello", r#"{"media":{"url":"x"}} {}"#] {
            assert_eq!(rejected(body).code(), ProblemCode::MalformedJson, "{body}");
        }
    }
}
