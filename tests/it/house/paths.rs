//! The paths that Rust source mentions, read from its tokens: comments and strings do not count, and macros hide nothing. Inline unit
//! tests are left out.

use std::collections::BTreeSet;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Every path of at least two segments in `source`, and every tree of a `use`; a glob is the segment `*`.
pub(super) fn paths(file: &Path, source: &str) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    collect(&mut Vec::new(), tokens(file, source), &mut found);
    found
}

pub(super) fn tokens(file: &Path, source: &str) -> TokenStream {
    source
        .parse()
        .unwrap_or_else(|error| panic!("{} is not Rust: {error}", file.display()))
}

/// `prefix` is the path before the braces of a `use` tree.
fn collect(prefix: &mut Vec<String>, tokens: TokenStream, found: &mut BTreeSet<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut path = prefix.clone();
    let mut joined = true;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let Some(length) = unit_tests(&tokens[at..]) {
            at += length;
            continue;
        }
        match token {
            TokenTree::Ident(word) => {
                let imported = path == ["use"];
                if !joined {
                    finish(&mut path, prefix, found);
                }
                path.push(word.to_string());
                if imported && !is_path_separator(tokens.get(at + 1..).unwrap_or_default()) {
                    found.insert(path.clone());
                }
                joined = false;
            }
            TokenTree::Punct(_) if is_path_separator(&tokens[at..]) => {
                joined = true;
                at += 1;
            }
            TokenTree::Punct(glob) if glob.as_char() == '*' && joined && !path.is_empty() => {
                path.push("*".to_owned());
                finish(&mut path, prefix, found);
            }
            TokenTree::Group(group) => {
                let inside_use = joined && group.delimiter() == Delimiter::Brace;
                if inside_use {
                    collect(&mut path, group.stream(), found);
                    path.clone_from(prefix);
                } else {
                    finish(&mut path, prefix, found);
                    collect(&mut Vec::new(), group.stream(), found);
                }
                joined = true;
            }
            _ => {
                finish(&mut path, prefix, found);
                joined = true;
            }
        }
        at += 1;
    }
    finish(&mut path, prefix, found);
}

/// Ends a path; it counts when it is longer than its prefix.
fn finish(path: &mut Vec<String>, prefix: &[String], found: &mut BTreeSet<Vec<String>>) {
    if path.len() > prefix.len() && path.len() > 1 {
        found.insert(path.clone());
    }
    path.clear();
    path.extend_from_slice(prefix);
}

fn is_path_separator(tokens: &[TokenTree]) -> bool {
    matches!(
        tokens,
        [TokenTree::Punct(first), TokenTree::Punct(second), ..]
            if first.as_char() == ':' && second.as_char() == ':'
    )
}

/// The length of `#[cfg(test)] mod name { … }` at the beginning of `tokens`, if it is there.
pub(super) fn unit_tests(tokens: &[TokenTree]) -> Option<usize> {
    match tokens {
        [
            TokenTree::Punct(hash),
            TokenTree::Group(condition),
            TokenTree::Ident(word),
            TokenTree::Ident(_),
            _,
            ..,
        ] if hash.as_char() == '#'
            && condition.stream().to_string().replace(' ', "") == "cfg(test)"
            && word == "mod" =>
        {
            Some(5)
        }
        _ => None,
    }
}
