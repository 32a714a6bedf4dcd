//! Sentences with times, words between backquotes and links to messages.

use crate::domain::ids::MessageId;
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::timed_text::{TextPart, split_times};

pub(super) type SentenceParts = Vec<SentencePart>;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum SentencePart {
    Text(String),
    /// A state, or a status word of a provider.
    Word(String),
    Message(MessageId),
    Time(TimeElement),
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
