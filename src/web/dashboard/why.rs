//! Why a message's state is what it is, laid out for its page. The words are `domain::explain`'s; this only says how they are shown.

use crate::domain::explain::{Explanation, FailureWords};
use crate::domain::ids::MessageId;
use crate::web::dashboard::text::visible_line;

/// The explanation of a message, its sentences in pieces.
#[derive(Clone, Debug)]
pub(super) struct Why {
    pub(super) summary: String,
    pub(super) failure: Option<Refusal>,
    pub(super) next: Vec<Sentence>,
    pub(super) because: Vec<Sentence>,
}

/// What was said of a failure, and what it means. What stands elsewhere on the page already is absent.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: Option<String>,
    /// What follows the code.
    pub(super) words: String,
    pub(super) meaning: Option<&'static str>,
    pub(super) action: Option<&'static str>,
    pub(super) class: &'static str,
}

/// A sentence, in order.
pub(super) type Sentence = Vec<Piece>;

/// A piece of a sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// As it is.
    Text(String),
    /// A word of the protocol: a state, what a provider called something.
    Word(String),
    /// Another message, by its id.
    Message(MessageId),
}

impl Why {
    pub(super) fn new(explanation: &Explanation) -> Self {
        let sentences = |lines: &[String]| {
            lines
                .iter()
                .map(|line| pieces(&visible_line(line), &explanation.related))
                .collect()
        };
        Self {
            summary: visible_line(&explanation.summary),
            failure: explanation
                .failure
                .as_ref()
                .map(|failure| Refusal::new(failure, explanation)),
            next: sentences(&explanation.what_next),
            because: sentences(&explanation.because),
        }
    }
}

impl Refusal {
    fn new(failure: &FailureWords, explanation: &Explanation) -> Self {
        let said = failure.said();
        let code = failure.code.as_deref();
        let words = code.and_then(|code| said.strip_prefix(code));
        let unsaid = |words: &'static str, lines: &[String]| {
            let told = words.is_empty() || lines.iter().any(|line| line.contains(words));
            (!told).then_some(words)
        };
        Self {
            words: visible_line(words.unwrap_or(&said)),
            code: code.map(visible_line),
            meaning: unsaid(failure.meaning, std::slice::from_ref(&explanation.summary)),
            action: unsaid(failure.action, &explanation.what_next),
            class: failure.class.as_str(),
        }
    }
}

/// Finds the marked words and the messages that a sentence names.
fn pieces(sentence: &str, related: &[MessageId]) -> Sentence {
    let mut found: Sentence = Vec::new();
    let mut text = String::new();
    for token in sentence.split_inclusive(' ') {
        let core = token.trim_matches(|c: char| !c.is_alphanumeric() && c != '`');
        let Some((piece, (before, after))) = special(core, related).zip(token.split_once(core))
        else {
            text.push_str(token);
            continue;
        };
        text.push_str(before);
        if !text.is_empty() {
            found.push(Piece::Text(std::mem::take(&mut text)));
        }
        found.push(piece);
        text.push_str(after);
    }
    if !text.is_empty() {
        found.push(Piece::Text(text));
    }
    found
}

fn special(core: &str, related: &[MessageId]) -> Option<Piece> {
    let quoted = core
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'));
    if let Some(word) = quoted.filter(|word| !word.is_empty() && !word.contains('`')) {
        return Some(Piece::Word(word.to_owned()));
    }
    let id = core.parse().ok()?;
    related.contains(&id).then_some(Piece::Message(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_words_and_known_messages_stand_out_and_nothing_else() {
        let known: MessageId = "01930000-0000-7000-8000-000000000002".parse().unwrap();
        let strange = "01930000-0000-7000-8000-000000000003";
        let text = |words: &str| Piece::Text(words.to_owned());
        assert_eq!(
            pieces(&format!("`sent`: see {known}; not {strange}."), &[known]),
            [
                Piece::Word("sent".to_owned()),
                text(": see "),
                Piece::Message(known),
                text(&format!("; not {strange}.")),
            ]
        );
        assert_eq!(pieces("` `` .", &[known]), [text("` `` .")]);
    }
}
