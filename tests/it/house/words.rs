//! Plain standard terms: words and names that this project replaced do not come back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{TokenStream, TokenTree};

use super::paths::tokens;
use super::sources::{files, read, root, rust_files};

/// Replaced in all texts, names included, with what stands for them. `told` also matches `told_at`; `put aside` also `PutAside`.
const WORDS: &[(&str, &[&str])] = &[
    ("reported, returned", &["tell", "tells", "telling", "told"]),
    ("received", &["hear", "hears", "heard"]),
    (
        "parsed, processed",
        &["read again", "reads again", "reread", "unread"],
    ),
    ("again", &["anew"]),
    (
        "submit",
        &["hand over", "hands over", "handed", "handing", "handover"],
    ),
    ("receipt", &["fact", "facts"]),
    ("orphan", &["provisional", "provisionally"]),
    (
        "learned ids",
        &[
            "lesson",
            "lessons",
            "taught",
            "teach",
            "teaches",
            "teaching",
            "unlearn",
            "unlearned",
            "unlearns",
            "unlearning",
        ],
    ),
    (
        "operator, caller, recipient, no one",
        &[
            "anybody",
            "everybody",
            "nobody",
            "nobodys",
            "somebody",
            "stranger",
            "strangers",
            "whoever",
            "whomever",
            "a person",
            "who looks",
        ],
    ),
    ("dismiss", &["put aside", "puts aside", "putting aside"]),
    ("cancelled", &["withdraw", "withdraws", "withdrawn"]),
    ("task, request", &["chore", "chores", "errand", "errands"]),
    (
        "maintenance",
        &["upkeep", "look after", "looks after", "looked after"],
    ),
    ("rng, outcome plan", &["dice", "fate", "fates"]),
    ("spool", &["shelter", "shelters", "sheltered"]),
    ("outcome", &["what became of", "what becomes of"]),
    ("fixed", &["mend", "mends", "mended", "mending"]),
    (
        "plain technical English",
        &[
            "are content with",
            "is content with",
            "in words",
            "looks at",
            "look at",
            "looked at",
            "looks for",
            "business of",
            "s business",
            "s matter",
            "speak of",
            "speaks of",
            "says of",
            "precious",
            "goes on",
            "go on",
            "gives up",
            "give up",
            "given up",
            "lets go",
            "let go",
            "part from",
            "parts from",
            "the same for",
            "told once",
            "said once",
            "thereof",
            "whereof",
            "likewise",
            "so many of",
            "all the while",
            "say goodbye",
        ],
    ),
];

/// Names that the code had, as whole identifiers.
const NAMES: &[&str] = &[
    "CallbackBooks",
    "Chore",
    "Company",
    "Correspondent",
    "CustomerIds",
    "Deed",
    "Dice",
    "Earnest",
    "Entrance",
    "Errand",
    "Evidence",
    "Fact",
    "Fate",
    "Flow",
    "Gate",
    "Heard",
    "Holding",
    "Lapse",
    "Lead",
    "Lesson",
    "MessageBooks",
    "Packing",
    "Precedents",
    "QueueWord",
    "Room",
    "Sealed",
    "Share",
    "Shift",
    "Standing",
    "Story",
    "Surge",
    "Taught",
    "Ties",
    "Verb",
    "World",
    "converse",
    "go_on_exporting",
    "is_whose",
    "misfit",
    "part_from_the_merged",
    "went_so",
    "whose",
];

/// Public names that stay, and quotations of others: paths of the API, stored words and columns.
const ALLOWED: &[&str] = &[
    "/put-aside",
    "\"put-aside\"",
    "`put-aside`",
    "\"put_aside\"",
    "`put_aside`",
    "FROM put_aside",
    "put_aside.facts",
    "put_aside.",
    "put_aside_row",
    "create_put_aside",
    "\"fact\"",
    "\"facts\"",
    "\"handed_over_at\"",
    "adopt_at handed_over_at",
    "r.fact",
    "source_kind fact stage",
    "origin <> 'provisional'",
    "\"provisional\"",
    "`provisional`",
    "messages_provisional",
    // The stored name of a lease.
    "\"upkeep\"",
    // The user of PostgreSQL's server.
    "postgres_user=nobody",
];

#[test]
fn replaced_words_do_not_come_back() {
    let mut found = Vec::new();
    for path in texts() {
        found.extend(replaced_words(&path, &read(&path)));
    }
    for path in rust_files(&["src", "tests/it", "tests/fuzz", "benches"]) {
        found.extend(replaced_names(&path, tokens(&path, &read(&path))));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn words_are_found_in_names_and_across_lines() {
    let source =
        "let told_at = PutAside; // is read\n/// again, `shelter`.\nread(again); retold; factor";
    let found = replaced_words("src/a.rs".as_ref(), source);
    let words: Vec<&str> = found
        .iter()
        .filter_map(|line| line.split('`').nth(1))
        .collect();
    assert_eq!(words, ["told", "put aside", "read again", "shelter"]);
    assert!(found[2].starts_with("src/a.rs:1: "), "{found:?}");

    let names = "struct Deed; fn f(story: u8) -> Option<Story> {} // Lead";
    let found = replaced_names("src/a.rs".as_ref(), names.parse().unwrap());
    assert_eq!(found.len(), 2, "{found:?}");
}

/// Every text of ours but this list. Released migrations keep their names; the change log quotes.
fn texts() -> Vec<PathBuf> {
    let mut found = files(&[
        "src",
        "tests/it",
        "tests/fuzz/src",
        "tests/fuzz/fuzz_targets",
        "tests/browser",
        "tests/fixtures/explain",
        "benches",
        "templates",
        "static",
        "docs",
        "scripts",
    ]);
    found.extend(
        [
            "README.md",
            "CONTRIBUTING.md",
            "CHANGELOG.md",
            "SECURITY.md",
            "Cargo.toml",
            "deny.toml",
            "bluetick.example.toml",
            "tests/fixtures/INDEX.md",
        ]
        .map(PathBuf::from)
        .into_iter()
        .filter(|path| root().join(path).exists()),
    );
    let kinds = [
        "rs", "md", "html", "css", "js", "ts", "mjs", "toml", "txt", "sh", "service", "socket",
    ];
    found.retain(|path| {
        let kind = path
            .extension()
            .map(|kind| kind.to_string_lossy().into_owned());
        kind.is_none_or(|kind| kinds.contains(&kind.as_str()))
            && path != Path::new("tests/it/house/words.rs")
    });
    found
}

fn replaced_words(path: &Path, text: &str) -> Vec<String> {
    let mut text = text.to_owned();
    for allowed in ALLOWED {
        text = text.replace(allowed, "|");
    }
    let words = words(&text);
    let mut found = Vec::new();
    for at in 0..words.len() {
        let Some(phrases) = PHRASES.get(words[at].text.as_str()) else {
            continue;
        };
        for (phrase, instead) in phrases {
            let length = phrase.split(' ').count();
            let here = words.get(at..at + length).unwrap_or_default();
            let same = phrase
                .split(' ')
                .eq(here.iter().map(|word| word.text.as_str()));
            if same && here.iter().skip(1).all(|word| word.joined) {
                let line = words[at].line;
                let shown = text.lines().nth(line - 1).unwrap_or_default().trim();
                found.push(format!(
                    "{}:{line}: `{phrase}` ({instead}): {shown}",
                    path.display()
                ));
            }
        }
    }
    found
}

/// First word → phrases of [`WORDS`] that begin with it, and what to write instead.
static PHRASES: LazyLock<HashMap<&str, Vec<(&str, &str)>>> = LazyLock::new(|| {
    let mut phrases: HashMap<&str, Vec<(&str, &str)>> = HashMap::new();
    for (instead, replaced) in WORDS {
        for phrase in *replaced {
            let first = phrase.split(' ').next().unwrap();
            phrases.entry(first).or_default().push((phrase, instead));
        }
    }
    phrases
});

fn replaced_names(path: &Path, tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(name) if NAMES.contains(&name.to_string().as_str()) => {
                found.push(format!("{}: the name `{name}`", path.display()));
            }
            TokenTree::Group(group) => found.extend(replaced_names(path, group.stream())),
            _ => {}
        }
    }
    found
}

struct Word {
    text: String,
    line: usize,
    /// Whether only spaces, hyphens, comment signs and the like stand between it and the word before.
    joined: bool,
}

/// Words in lower case; `a_b`, `a-b` and `aB` are two each.
fn words(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut line = 1;
    let mut joined = false;
    let mut before = ' ';
    for letter in text.chars() {
        if letter.is_ascii_alphabetic() {
            let begins = !before.is_ascii_alphabetic()
                || letter.is_ascii_uppercase() && before.is_ascii_lowercase();
            if begins {
                found.push(Word {
                    text: String::new(),
                    line,
                    joined,
                });
                joined = true;
            }
            if let Some(word) = found.last_mut() {
                word.text.push(letter.to_ascii_lowercase());
            }
        } else if !matches!(
            letter,
            ' ' | '\n' | '\r' | '\t' | '_' | '-' | '/' | '!' | '#' | '*' | '\'' | '’' | '`'
        ) {
            joined = false;
        }
        if letter == '\n' {
            line += 1;
        }
        before = letter;
    }
    found
}
