//! The file of a message: where it is, of what type, how large.

use crate::domain::media::{
    CAPTION_LIMIT, Media, MediaKind, MediaSource, Upload, mime_type_of_extension,
};
use crate::domain::provider::{Capabilities, ProviderId};
use crate::sending::accept::{FieldError, Submission};

/// The longest address that is sent on, in bytes.
const URL_LIMIT: usize = 2048;

/// Checks everything about the file; `None` when a field is wrong, and every wrong field is in `errors`.
pub(super) fn check(
    submission: &Submission,
    kind: Option<MediaKind>,
    provider: ProviderId,
    capabilities: &Capabilities,
    errors: &mut Vec<FieldError>,
) -> Option<Media> {
    let before = errors.len();
    let caption = submission
        .caption
        .clone()
        .filter(|caption| !caption.is_empty());
    if let Some(length) = caption
        .as_ref()
        .map(|caption| caption.chars().count())
        .filter(|length| *length > CAPTION_LIMIT)
    {
        errors.push(FieldError::new(
            "caption",
            format!("has {length} characters; WhatsApp takes {CAPTION_LIMIT}"),
        ));
    }
    let source = source(submission, provider, capabilities, errors);
    let kind = kind?;
    let mime_type = match (&source, given_type(submission)) {
        // What is wrong with the file's place is said already; its name tells nothing.
        (None, None) => None,
        _ => mime_type(submission, kind, capabilities, errors),
    };
    if let Some(upload) = &submission.upload {
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

fn source(
    submission: &Submission,
    provider: ProviderId,
    capabilities: &Capabilities,
    errors: &mut Vec<FieldError>,
) -> Option<MediaSource> {
    let allowed = capabilities.sources;
    let before = errors.len();
    let title = provider.title();
    if submission.media_id.is_some() && !allowed.id {
        errors.push(FieldError::new(
            "media.id",
            format!("{title} takes no media ids; give media.url"),
        ));
    }
    if submission.upload.is_some() && !allowed.upload {
        errors.push(FieldError::new(
            "file",
            format!("{title} takes no uploaded files here yet; give media.url"),
        ));
    }
    if errors.len() > before {
        return None;
    }
    let given = [
        submission.media_url.is_some(),
        submission.media_id.is_some(),
        submission.upload.is_some(),
    ];
    match given.iter().filter(|given| **given).count() {
        1 => {}
        0 => {
            let ways = match (allowed.id, allowed.upload) {
                (true, _) => "give url or id",
                (_, true) => "give url, or send the file as multipart/form-data",
                (false, false) => "give url",
            };
            errors.push(FieldError::new("media", format!("is missing; {ways}")));
            return None;
        }
        _ => {
            errors.push(FieldError::new(
                "media",
                "names more than one file; give exactly one of url, id and file",
            ));
            return None;
        }
    }
    if let Some(url) = &submission.media_url {
        return match check_url(url) {
            Ok(()) => Some(MediaSource::Url(url.clone())),
            Err(message) => {
                errors.push(FieldError::new("media.url", message));
                None
            }
        };
    }
    if let Some(id) = &submission.media_id {
        if id.trim().is_empty() || id.len() > 512 || id.chars().any(char::is_control) {
            errors.push(FieldError::new(
                "media.id",
                "is not a media id: 1 to 512 characters",
            ));
            return None;
        }
        return Some(MediaSource::Id(id.clone()));
    }
    submission.upload.as_ref().map(|upload| {
        MediaSource::Upload(Upload {
            path: upload.path.clone(),
            size: upload.size,
        })
    })
}

fn check_url(text: &str) -> Result<(), String> {
    if text.len() > URL_LIMIT {
        return Err(format!(
            "has {} bytes; at most {URL_LIMIT} are sent on",
            text.len()
        ));
    }
    let url = url::Url::parse(text).map_err(|error| format!("is not an address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "begins with `{}:`; the provider fetches http and https only",
            url.scheme()
        ));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("names no host".to_owned());
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("holds white space; percent-encode it".to_owned());
    }
    Ok(())
}

/// The type that the caller wrote, and the field it stands in.
fn given_type(submission: &Submission) -> Option<(&'static str, &str)> {
    let of_file = || {
        let upload = submission.upload.as_ref()?;
        let given = upload.content_type.as_deref()?;
        (given != "application/octet-stream").then_some(("file", given))
    };
    let written = submission.mime_type.as_deref();
    written
        .map(|given| ("media.mime_type", given))
        .or_else(of_file)
}

/// The given type, else what the file's name tells; refused when it is not of the kind.
fn mime_type(
    submission: &Submission,
    kind: MediaKind,
    capabilities: &Capabilities,
    errors: &mut Vec<FieldError>,
) -> Option<String> {
    let uploaded = submission.upload.as_ref();
    let types = kind.mime_types().join(", ");
    if let Some((field, given)) = given_type(submission) {
        let known = given.to_ascii_lowercase();
        if kind.mime_types().contains(&known.as_str()) {
            return Some(known);
        }
        errors.push(FieldError::new(
            field,
            format!("`{given}` is not a type of {kind}; WhatsApp takes {types}"),
        ));
        return None;
    }
    let (field, name) = match (
        &submission.media_url,
        uploaded.and_then(|upload| upload.file_name.as_deref()),
    ) {
        (Some(url), _) => (
            "media.url",
            url::Url::parse(url).ok().map(|url| url.path().to_owned()),
        ),
        (None, Some(name)) => ("file", Some(name.to_owned())),
        (None, None) => ("media.mime_type", None),
    };
    match name.as_deref().and_then(mime_type_of_extension) {
        Some(told) if kind.mime_types().contains(&told) => Some(told.to_owned()),
        Some(told) => {
            errors.push(FieldError::new(
                field,
                format!("ends like {told}, which is not a type of {kind}; WhatsApp takes {types}"),
            ));
            None
        }
        None if capabilities.mime_type_required || uploaded.is_some() => {
            errors.push(FieldError::new(
                "media.mime_type",
                format!("is missing and the file's name does not tell it; give one of {types}"),
            ));
            None
        }
        None => None,
    }
}

fn check_size(
    size: u64,
    kind: MediaKind,
    provider: ProviderId,
    capabilities: &Capabilities,
    errors: &mut Vec<FieldError>,
) {
    let limit = capabilities.size_limit(kind);
    if size == 0 {
        errors.push(FieldError::new("file", "is empty"));
    } else if size > limit {
        let message = format!(
            "has {size} bytes; {} takes {kind}s up to {limit} ({} KiB)",
            provider.title(),
            limit / 1024
        );
        errors.push(FieldError::new("file", message));
    }
}
