//! The media of the form of a single message: its kind where none was chosen, and what is wrong with it
//! in the words of the form.

use crate::domain::media::mime_type_of_extension;
use crate::sending::accept::InvalidField;
use crate::web::dashboard::upload_form::UploadForm;

/// Of files that WhatsApp does not accept as image or video.
const OTHER_IMAGES: [&str; 8] = ["webp", "gif", "heic", "heif", "avif", "bmp", "tif", "svg"];
const OTHER_VIDEOS: [&str; 6] = ["mov", "webm", "avi", "mkv", "m4v", "wmv"];

/// The kind that was chosen, else that of the chosen type, the file or the link. Empty if none of them
/// says it.
pub(super) fn kind_of(given: &UploadForm) -> String {
    let chosen = given.text("kind");
    if !chosen.is_empty() {
        return chosen.to_owned();
    }
    let uploaded = given.file.as_ref();
    let uploaded = uploaded.and_then(|(_, received)| received.content_type.as_deref());
    let named = [
        Some(given.text("media.mime_type")),
        mime_type_of_extension(&file_name(given)),
        uploaded,
    ];
    let mut types = named.into_iter().flatten();
    let of_type = types.find_map(|name| match name.split_once('/')? {
        ("image", _) => Some("image"),
        ("video", _) => Some("video"),
        _ => None,
    });
    let extension = extension_of(given);
    let of_extension = || match extension.as_str() {
        name if OTHER_IMAGES.contains(&name) => "image",
        name if OTHER_VIDEOS.contains(&name) => "video",
        _ => "",
    };
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

/// In lower case, without the dot; empty if there is none.
fn extension_of(given: &UploadForm) -> String {
    let name = file_name(given);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.unwrap_or_default().to_ascii_lowercase()
}

/// What the form knows better than the acceptance of any message.
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
    let field = if has_link { "media.url" } else { "file" };
    let extension = extension_of(given);
    let others = OTHER_IMAGES.iter().chain(&OTHER_VIDEOS);
    if given.text("media.mime_type").is_empty() && others.into_iter().any(|it| *it == extension) {
        errors.push(InvalidField::new(
            field,
            format!(
                "ends in .{extension}, which WhatsApp does not accept; it accepts .jpg, .png, .mp4 and .3gp"
            ),
        ));
    } else if has_link && kind_of(given).is_empty() {
        let message = "is not clear from the link; choose image or video";
        errors.push(InvalidField::new("kind", message));
    } else if kind_of(given).is_empty() {
        errors.push(InvalidField::new("file", "is neither an image nor a video"));
    }
    errors
}
