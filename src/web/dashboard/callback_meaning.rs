//! What a callback meant, on one line.

use crate::domain::receipt::ReceiptEvent;
use crate::domain::scope::Visibility;
use crate::reporting::callback_views::ListedCallback;
use crate::web::dashboard::visible_text::visible_line;

/// A batch can report hundreds of messages.
const MEANINGS_SHOWN: usize = 3;

/// `delivered`, or `failed 131026 Message undeliverable`; of several, each once.
pub(super) fn meaning_text(callback: &ListedCallback, viewer: Visibility) -> Option<String> {
    let mut texts: Vec<String> = Vec::new();
    for report in &callback.reports {
        let text = event_text(&report.event, viewer);
        if !texts.contains(&text) {
            texts.push(text);
        }
        if texts.len() > MEANINGS_SHOWN {
            break;
        }
    }
    if texts.is_empty() {
        return callback.detail.as_deref().map(|text| viewer.quoted(text));
    }
    let more = texts.len() > MEANINGS_SHOWN;
    texts.truncate(MEANINGS_SHOWN);
    let text = texts.join(", ");
    Some(if more { format!("{text} …") } else { text })
}

fn event_text(event: &ReceiptEvent, viewer: Visibility) -> String {
    match event {
        ReceiptEvent::Stage(stage) => stage.as_str().to_owned(),
        ReceiptEvent::Failure(failure) => {
            let code = failure
                .code
                .as_deref()
                .map(|code| viewer.failure_code(code));
            let words = failure.title.as_deref().or(failure.detail.as_deref());
            let words = words.map(|text| viewer.quoted(text));
            let parts = ["failed".to_owned()].into_iter().chain(code).chain(words);
            parts.collect::<Vec<_>>().join(" ")
        }
        ReceiptEvent::Other(word) => viewer.quoted(word),
        ReceiptEvent::Notice(text) => visible_line(text),
    }
}
