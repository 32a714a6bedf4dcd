//! The header of a template in Meta's format, as Kaleyra and Sobot accept it.

use serde_json::Value;

use crate::domain::media::MediaKind;
use crate::simulator::simulated_provider::{is_http_url, parse_kind};

/// Exactly one of `link` and `id` is present.
pub(super) struct TemplateHeader {
    pub(super) kind: MediaKind,
    pub(super) link: Option<String>,
    pub(super) id: Option<String>,
}

/// `None` unless the components are valid and the first one is a media header.
pub(super) fn read_header(components: &Value) -> Option<TemplateHeader> {
    let components = components.as_array()?;
    let (header, others) = components.split_first()?;
    if header["type"] != "header" || !others.iter().all(is_component) {
        return None;
    }
    let [parameter] = header["parameters"].as_array()?.as_slice() else {
        return None;
    };
    let kind = parse_kind(&parameter["type"])?;
    let media = &parameter[kind.as_str()];
    let id = media["id"].as_str().filter(|id| !id.is_empty());
    let link = media["link"]
        .as_str()
        .filter(|_| is_http_url(&media["link"]));
    (id.is_some() != link.is_some()).then(|| TemplateHeader {
        kind,
        link: link.map(str::to_owned),
        id: id.map(str::to_owned),
    })
}

/// Whether it is a body or a button with values.
fn is_component(component: &Value) -> bool {
    let is_value = |parameter: &Value| {
        ["text", "payload", "coupon_code"].contains(&parameter["type"].as_str().unwrap_or_default())
            && parameter[parameter["type"].as_str().unwrap_or_default()]
                .as_str()
                .is_some_and(|text| !text.is_empty())
    };
    let is_button = component["type"] == "button"
        && component["sub_type"].is_string()
        && !component["index"].is_null();
    (component["type"] == "body" || is_button)
        && component["parameters"]
            .as_array()
            .is_some_and(|values| !values.is_empty() && values.iter().all(is_value))
}
