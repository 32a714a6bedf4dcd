//! Conventions that fail a test when they are broken: layers, import cycles, names, words, documents, the list of providers.

mod documents;
mod import_cycles;
mod layers;
mod names;
mod paths;
pub(crate) mod sources;
mod words;

use std::fs;

use bluetick::domain::provider::ProviderId;
use bluetick::providers;

use layers::violations;
use sources::{read, root, rust_files};

#[test]
fn no_import_crosses_a_layer() {
    let found: Vec<String> = rust_files(&["src"])
        .iter()
        .flat_map(|path| violations(path, &read(path)))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_layer_check_reports_forbidden_imports() {
    for (path, source, culprit) in [
        ("src/domain/message.rs", "use serde::Serialize;", "serde"),
        ("src/domain/message.rs", "use serde as wire;", "serde"),
        (
            "src/domain/message.rs",
            "#[derive(serde::Serialize)] struct Message;",
            "serde",
        ),
        ("src/domain/message.rs", "use std::{fmt, fs};", "std::fs"),
        (
            "src/domain/message.rs",
            "use crate::store::Store;",
            "crate::store",
        ),
        (
            "src/domain/message.rs",
            "use super::super::store::Store;",
            "super::super",
        ),
        ("src/providers/sobot.rs", "use tokio::time::sleep;", "tokio"),
        (
            "src/providers/sobot.rs",
            "use crate::{domain::ids, sending::transport};",
            "crate::sending",
        ),
        ("src/sending/accept.rs", "use actix_web::web;", "actix_web"),
        (
            "src/sending/accept.rs",
            "fn now() -> sea_orm::DbErr { todo() }",
            "sea_orm",
        ),
        (
            "src/store/messages.rs",
            "use crate::web::api;",
            "crate::web",
        ),
        ("src/store/messages.rs", "use reqwest::Client;", "reqwest"),
        (
            "src/web/mod.rs",
            "info!(error = %sea_orm::DbErr::RecordNotUpdated);",
            "sea_orm",
        ),
        (
            "src/cli/serve.rs",
            "use actix_web::HttpServer;",
            "actix_web",
        ),
        (
            "src/jobs/mod.rs",
            "use {migration::Main, std::fmt};",
            "migration",
        ),
    ] {
        let found = violations(path.as_ref(), source);
        assert_eq!(found.len(), 1, "{path}: {source}: {found:?}");
        assert!(found[0].contains(&format!("`{culprit}`")), "{found:?}");
    }
}

#[test]
fn the_layer_check_accepts_allowed_imports() {
    for (path, source) in [
        (
            "src/domain/message.rs",
            "//! No serde::Serialize here.\nuse chrono::Utc; const X: &str = \"serde::Serialize\";",
        ),
        (
            "src/domain/message.rs",
            "use crate::domain::{ids::MessageId, media::Media};",
        ),
        (
            "src/domain/message.rs",
            "#[cfg(test)] mod tests { use proptest::prelude::*; }",
        ),
        (
            "src/providers/sobot.rs",
            "use serde_json::Value; use crate::domain::ids; fn f() { hmac::sign(); }",
        ),
        (
            "src/store/messages.rs",
            "use sea_orm::{entity::prelude::*}; use crate::domain::ids;",
        ),
        (
            "src/web/mod.rs",
            "use actix_web::{web, HttpResponse}; use crate::sending::accept;",
        ),
        (
            "src/app/mod.rs",
            "use actix_web::HttpServer; use crate::{store::Store, web};",
        ),
    ] {
        assert_eq!(violations(path.as_ref(), source), Vec::<String>::new());
    }
}

#[test]
fn every_file_says_what_it_owns() {
    let silent: Vec<String> = rust_files(&["src", "migration/src", "tests/it", "benches"])
        .into_iter()
        .filter(|path| !opens_with_its_purpose(&read(path)))
        .map(|path| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no //! sentence opens {silent:?}");
}

#[test]
fn one_word_is_not_a_purpose() {
    assert!(opens_with_its_purpose("//! The one fold.\n\nuse std::fmt;"));
    assert!(!opens_with_its_purpose("//! x\nfn main() {}"));
    assert!(!opens_with_its_purpose("use std::fmt;\n//! Late."));
}

#[test]
fn every_provider_is_listed_with_fixtures_and_a_documentation_row() {
    let page = read("docs/providers.md".as_ref());
    for id in ProviderId::ALL {
        let name = id.as_str();
        assert_eq!(
            providers::get(id).id(),
            id,
            "`providers::get` returns another provider"
        );
        assert!(
            root().join(format!("src/providers/{name}.rs")).exists()
                || root().join(format!("src/providers/{name}/mod.rs")).exists(),
            "{name} has no file in src/providers"
        );
        let fixtures = root().join("tests/fixtures").join(name);
        let count = fs::read_dir(&fixtures).map_or(0, Iterator::count);
        assert!(count > 0, "{} has no fixtures", fixtures.display());
        let row = format!("| {} |", id.title());
        assert!(page.contains(&row), "docs/providers.md has no row {row}");
    }
}

#[test]
fn every_provider_implementation_is_listed() {
    for path in rust_files(&["src/providers"]) {
        if !read(&path).contains("impl Provider for ") {
            continue;
        }
        let listed = ProviderId::ALL.into_iter().any(|id| {
            path.starts_with(format!("src/providers/{id}.rs"))
                || path.starts_with(format!("src/providers/{id}"))
        });
        assert!(
            listed,
            "{} is a provider that is not listed",
            path.display()
        );
    }
}

/// Whether the file opens with `//!` and more than one word.
fn opens_with_its_purpose(source: &str) -> bool {
    source
        .strip_prefix("//! ")
        .and_then(|rest| rest.lines().next())
        .is_some_and(|line| line.split_whitespace().count() > 1)
}
