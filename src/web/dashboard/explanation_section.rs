//! Why a message has its state, laid out for its page. `domain::explanation` writes the text.

use crate::domain::explanation::{ExplainedFailure, Explanation};
use crate::domain::ids::MessageId;
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::timed_text::{TextPart, TimedText, split_times};
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

pub(super) type SentenceParts = Vec<SentencePart>;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum SentencePart {
    Text(String),
    /// A state, or a status word of a provider.
    Word(String),
    Message(MessageId),
    Time(TimeElement),
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

/// Separates times, text between backquotes and ids of related messages from the text around them.
pub(super) fn split_sentence(sentence: &str, related: &[MessageId]) -> SentenceParts {
    let parts = split_times(sentence).into_iter();
    parts
        .flat_map(|part| match part {
            TextPart::Time(at) => vec![SentencePart::Time(at)],
            TextPart::Text(text) => split_marked(&text, related),
        })
        .collect()
}

/// Separates quoted words and ids of related messages from the text around them.
fn split_marked(sentence: &str, related: &[MessageId]) -> SentenceParts {
    let mut found: SentenceParts = Vec::new();
    let mut text = String::new();
    for token in split_words(sentence) {
        let core = token.trim_matches(|c: char| !c.is_alphanumeric() && c != '`');
        let Some((part, (before, after))) = parse_marked(core, related).zip(token.split_once(core))
        else {
            text.push_str(token);
            continue;
        };
        text.push_str(before);
        if !text.is_empty() {
            found.push(SentencePart::Text(std::mem::take(&mut text)));
        }
        found.push(part);
        text.push_str(after);
    }
    if !text.is_empty() {
        found.push(SentencePart::Text(text));
    }
    found
}

/// Words, each with the space after it. Text between backquotes is one word.
fn split_words(sentence: &str) -> Vec<&str> {
    let (mut words, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in sentence.char_indices() {
        match c {
            '`' => quoted = !quoted && sentence[at + 1..].contains('`'),
            ' ' if !quoted => {
                words.push(&sentence[start..=at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    words.push(&sentence[start..]);
    words
}

fn parse_marked(core: &str, related: &[MessageId]) -> Option<SentencePart> {
    let quoted = core
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'));
    if let Some(word) = quoted.filter(|word| !word.is_empty() && !word.contains('`')) {
        return Some(SentencePart::Word(word.to_owned()));
    }
    let id = core.parse().ok()?;
    related.contains(&id).then_some(SentencePart::Message(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quoted_words_and_related_messages_are_marked() {
        let known: MessageId = "01930000-0000-7000-8000-000000000002".parse().unwrap();
        let unrelated = "01930000-0000-7000-8000-000000000003";
        let text = |content: &str| SentencePart::Text(content.to_owned());
        assert_eq!(
            split_sentence(&format!("`sent`: see {known}; not {unrelated}."), &[known]),
            [
                SentencePart::Word("sent".to_owned()),
                text(": see "),
                SentencePart::Message(known),
                text(&format!("; not {unrelated}.")),
            ]
        );
        assert_eq!(split_sentence("` `` .", &[known]), [text("` `` .")]);
        assert_eq!(
            split_sentence("Events: `payment: failed`.", &[known]),
            [
                text("Events: "),
                SentencePart::Word("payment: failed".to_owned()),
                text("."),
            ]
        );
    }
}
