//! The media given on the page `/send`: its kind if none was chosen, and errors that name the fields of the
//! form.

use crate::domain::media::{find_unsupported_extension, mime_type_of_extension};
use crate::sending::accept::InvalidField;
use crate::web::dashboard::upload_form::UploadForm;

/// The kind that was chosen, else that of the chosen type, the link or the file. Empty if none of them
/// has one.
pub(super) fn kind_of(given: &UploadForm) -> String {
    let chosen = given.text("kind");
    if !chosen.is_empty() {
        return chosen.to_owned();
    }
    let uploaded = given.file.as_ref();
    let uploaded = uploaded.and_then(|(_, received)| received.content_type.as_deref());
    let name = file_name(given);
    let named = [
        Some(given.text("media.mime_type")),
        mime_type_of_extension(&name),
        uploaded,
    ];
    let mut types = named.into_iter().flatten();
    let of_type = types.find_map(|name| match name.split_once('/')? {
        ("image", _) => Some("image"),
        ("video", _) => Some("video"),
        _ => None,
    });
    let of_extension = || find_unsupported_extension(&name).map_or("", |(_, kind)| kind.as_str());
    of_type.unwrap_or_else(of_extension).to_owned()
}

/// The last part of the link's path, else the name of the file.
fn file_name(given: &UploadForm) -> String {
    let link = url::Url::parse(given.text("media.url")).ok();
    let of_link = link.map(|link| {
        link.path()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    let of_file = || given.file.as_ref()?.1.file_name.clone();
    of_link.or_else(of_file).unwrap_or_default()
}

/// Errors that the acceptance of a message would not report at the right field of the form.
pub(super) fn media_errors(given: &UploadForm) -> Vec<InvalidField> {
    let mut errors = Vec::new();
    let has_link = !given.text("media.url").is_empty();
    if !has_link && given.file.is_none() && given.file_error.is_none() {
        let message = "is missing; give a link, or upload the file";
        errors.push(InvalidField::new("media.url", message));
        return errors;
    }
    if has_link && given.file.is_some() {
        let message = "is given together with a file; leave one of them empty";
        errors.push(InvalidField::new("media.url", message));
        return errors;
    }
    if has_link && kind_of(given).is_empty() {
        let message = "is not clear from the link; choose image or video";
        errors.push(InvalidField::new("kind", message));
    } else if kind_of(given).is_empty() {
        errors.push(InvalidField::new("file", "is neither an image nor a video"));
    }
    errors
}
