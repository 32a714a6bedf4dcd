//! Why a message has its state, laid out for its page. `domain::explanation` writes the text.

use crate::domain::explanation::{ExplainedFailure, Explanation};
use crate::web::dashboard::marked_sentence::{SentenceParts, split_sentence};
use crate::web::dashboard::timed_text::TimedText;
use crate::web::dashboard::visible_text::visible_line;

#[derive(Clone, Debug)]
pub(super) struct ExplanationSection {
    pub(super) summary: TimedText,
    pub(super) failure: Option<FailureSummary>,
    pub(super) next: Vec<SentenceParts>,
    pub(super) because: Vec<SentenceParts>,
}

/// Meaning and action are absent where the page already shows them.
#[derive(Clone, Debug)]
pub(super) struct FailureSummary {
    pub(super) code: Option<String>,
    /// The text after the code.
    pub(super) text: String,
    pub(super) meaning: Option<String>,
    pub(super) action: Option<String>,
    pub(super) class: &'static str,
}

impl ExplanationSection {
    pub(super) fn new(explanation: &Explanation) -> Self {
        let sentences = |lines: &[String]| {
            lines
                .iter()
                .map(|line| split_sentence(&visible_line(line), &explanation.related))
                .collect()
        };
        Self {
            summary: TimedText::from_utc(&visible_line(&explanation.summary)),
            failure: explanation
                .failure
                .as_ref()
                .map(|failure| FailureSummary::new(failure, explanation)),
            next: sentences(&explanation.what_next),
            because: sentences(&explanation.because),
        }
    }
}

impl FailureSummary {
    fn new(failure: &ExplainedFailure, explanation: &Explanation) -> Self {
        let full_text = failure.code_and_words();
        let code = failure.code.as_deref();
        let after_code = code.and_then(|code| full_text.strip_prefix(code));
        let unless_shown = |text: &str, lines: &[String]| {
            let shown = text.is_empty() || lines.iter().any(|line| line.contains(text));
            (!shown).then(|| text.to_owned())
        };
        Self {
            text: visible_line(after_code.unwrap_or(&full_text)),
            code: code.map(visible_line),
            meaning: unless_shown(failure.meaning, std::slice::from_ref(&explanation.summary)),
            action: unless_shown(&failure.action, &explanation.what_next),
            class: failure.class.as_str(),
        }
    }
}
