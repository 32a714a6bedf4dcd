//! Validates the media of a message: source, MIME type, size, caption.

use crate::domain::media::{
    CAPTION_LIMIT, Media, MediaKind, MediaSource, Upload, find_unsupported_extension,
    mime_type_of_extension,
};
use crate::domain::provider::{Capabilities, ProviderId};
use crate::sending::accept::accept_error::InvalidField;
use crate::sending::accept::media_url;
use crate::sending::accept::message_input::{MessageInput, ReceivedFile};

/// Returns `None` and adds to `errors` if a field is invalid.
pub(super) fn check_media(
    input: &MessageInput,
    kind: Option<MediaKind>,
    provider: ProviderId,
    capabilities: &Capabilities,
    errors: &mut Vec<InvalidField>,
) -> Option<Media> {
    let before = errors.len();
    let caption = input.caption.clone().filter(|caption| !caption.is_empty());
    if let Some(length) = caption
        .as_ref()
        .map(|caption| caption.chars().count())
        .filter(|length| *length > CAPTION_LIMIT)
    {
        errors.push(InvalidField::new(
            "caption",
            format!("has {length} characters; WhatsApp allows {CAPTION_LIMIT}"),
        ));
    }
    let source = check_source(input, provider, capabilities, errors);
    let kind = kind?;
    let mime_type = match (&source, find_given_type(input)) {
        // Without a source there is already an error, and no file name to guess from.
        (None, None) => None,
        _ => check_mime_type(input, source.as_ref(), kind, capabilities, errors),
    };
    if let Some(upload) = &input.upload {
        check_size(upload.size, kind, provider, capabilities, errors);
    }
    let source = source?;
    (errors.len() == before).then_some(Media {
        kind,
        source,
        mime_type,
        caption,
    })
}

fn check_source(
    input: &MessageInput,
    provider: ProviderId,
    capabilities: &Capabilities,
    errors: &mut Vec<InvalidField>,
) -> Option<MediaSource> {
    let allowed = capabilities.sources;
    let before = errors.len();
    let title = provider.title();
    if input.media_id.is_some() && !allowed.id {
        errors.push(InvalidField::new(
            "media.id",
            format!("{title} does not accept media ids; use media.url"),
        ));
    }
    if errors.len() > before {
        return None;
    }
    let given = [
        input.media_url.is_some(),
        input.media_id.is_some(),
        input.upload.is_some(),
    ];
    match given.iter().filter(|given| **given).count() {
        1 => {}
        0 => {
            let ways = if allowed.id {
                "use url or id, or send the file as multipart/form-data"
            } else {
                "use url, or send the file as multipart/form-data"
            };
            errors.push(InvalidField::new("media", format!("is missing; {ways}")));
            return None;
        }
        _ => {
            errors.push(InvalidField::new(
                "media",
                "has more than one source; use exactly one of url, id and file",
            ));
            return None;
        }
    }
    if let Some(url) = &input.media_url {
        return match media_url::parse_media_url(url) {
            Ok(encoded) => Some(MediaSource::Url(encoded)),
            Err(message) => {
                errors.push(InvalidField::new("media.url", message));
                None
            }
        };
    }
    if let Some(id) = &input.media_id {
        if id.trim().is_empty() || id.len() > 512 || id.chars().any(char::is_control) {
            errors.push(InvalidField::new(
                "media.id",
                "is not a valid media id (1 to 512 characters, no control characters)",
            ));
            return None;
        }
        return Some(MediaSource::Id(id.clone()));
    }
    input.upload.as_ref().map(|upload| {
        MediaSource::Upload(Upload {
            path: upload.path.clone(),
            size: upload.size,
            token: None,
        })
    })
}

/// The caller's MIME type, with the field that gives it.
pub(super) fn find_given_type(input: &MessageInput) -> Option<(&'static str, &str)> {
    let from_file = || {
        let upload = input.upload.as_ref()?;
        let given = upload.content_type.as_deref()?;
        (given != "application/octet-stream").then_some(("file", given))
    };
    let stated = input.mime_type.as_deref();
    stated
        .map(|given| ("media.mime_type", given))
        .or_else(from_file)
}

/// The caller's MIME type, else the one that the file name implies. Rejects a type that does not
/// fit the kind.
fn check_mime_type(
    input: &MessageInput,
    source: Option<&MediaSource>,
    kind: MediaKind,
    capabilities: &Capabilities,
    errors: &mut Vec<InvalidField>,
) -> Option<String> {
    let uploaded = input.upload.as_ref();
    let types = kind.mime_types().join(", ");
    let given = find_given_type(input);
    let valid = given.map(|(_, given)| given.to_ascii_lowercase());
    let valid = valid.filter(|valid| kind.mime_types().contains(&valid.as_str()));
    if valid.is_some() {
        return valid;
    }
    let (name_field, name) = name_of_file(source, uploaded);
    let unaccepted = name.as_deref().and_then(find_unsupported_extension);
    if input.mime_type.is_none()
        && let Some((extension, _)) = unaccepted
    {
        errors.push(InvalidField::new(
            name_field,
            format!(
                "ends in .{extension}, which WhatsApp does not accept; it accepts .jpg, .png, .mp4 and .3gp"
            ),
        ));
        return None;
    }
    if let Some((field, given)) = given {
        errors.push(InvalidField::new(
            field,
            format!("`{given}` is not allowed for {kind}; WhatsApp accepts {types}"),
        ));
        return None;
    }
    match name.as_deref().and_then(mime_type_of_extension) {
        Some(guessed) if kind.mime_types().contains(&guessed) => Some(guessed.to_owned()),
        Some(guessed) => {
            errors.push(InvalidField::new(
                name_field,
                format!("is {guessed} by its extension; choose another kind, or use {types}"),
            ));
            None
        }
        None if capabilities.mime_type_required || uploaded.is_some() => {
            errors.push(InvalidField::new(
                "media.mime_type",
                format!("is missing and the file name does not imply it; use one of {types}"),
            ));
            None
        }
        None => None,
    }
}

/// The name of the media's file, with the field that gives it.
fn name_of_file(
    source: Option<&MediaSource>,
    uploaded: Option<&ReceivedFile>,
) -> (&'static str, Option<String>) {
    let file_name = uploaded.and_then(|upload| upload.file_name.as_deref());
    match (source, file_name) {
        (Some(MediaSource::Url(url)), _) => (
            "media.url",
            url::Url::parse(url).ok().map(|url| url.path().to_owned()),
        ),
        (_, Some(name)) => ("file", Some(name.to_owned())),
        (_, None) => ("media.mime_type", None),
    }
}

fn check_size(
    size: u64,
    kind: MediaKind,
    provider: ProviderId,
    capabilities: &Capabilities,
    errors: &mut Vec<InvalidField>,
) {
    let limit = capabilities.size_limit(kind);
    if size == 0 {
        errors.push(InvalidField::new("file", "is empty"));
    } else if size > limit {
        let message = format!(
            "has {size} bytes; {} accepts {kind}s up to {limit} bytes ({} KiB)",
            provider.title(),
            limit / 1024
        );
        errors.push(InvalidField::new("file", message));
    }
}
