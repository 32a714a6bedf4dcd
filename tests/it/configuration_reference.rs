//! The published list of configuration keys: `docs/configuration.md` and `bluetick.example.toml` agree with the code.
//!
//! Both are rewritten with `UPDATE_GOLDEN=1 cargo test --test it configuration_reference`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use bluetick::config::reference::{ConfigKey, KEYS};
use bluetick::config::{Config, Environment};

use crate::house::sources::{read, root};

const EXAMPLE: &str = "bluetick.example.toml";
const PAGE: &str = "docs/configuration.md";

const INTRODUCTION: &str = "\
# Every key of Bluetick's configuration, with default and effect. Copy this file to bluetick.toml.
# Settings begin with # and no space: remove the # to change one, and that of the [line in brackets] above it. Without
# changes every default applies.
# Secrets are written literally, as env:NAME or as file:PATH; durations as 30s, 10m, 24h.
";

/// Settings in the order of the example: keys and their line of TOML. A line without keys opens a table.
const SETTINGS: &[(&[&str], &str)] = &[
    (&["listen"], r#"listen = "127.0.0.1:8080""#),
    (
        &["callback_listen"],
        r#"callback_listen = "127.0.0.1:8081""#,
    ),
    (
        &["public_url"],
        r#"public_url = "https://hooks.example.com""#,
    ),
    (&["data_dir"], r#"data_dir = "data""#),
    (
        &["database_url"],
        r#"database_url = "sqlite://data/bluetick.db""#,
    ),
    (&["database_connections"], "database_connections = 12"),
    (&["secret_key"], r#"secret_key = "env:SECRET_KEY""#),
    (
        &["secret_key_previous"],
        r#"secret_key_previous = ["file:previous-secret-key"]"#,
    ),
    (
        &["report_time_zone"],
        r#"report_time_zone = "Asia/Kolkata""#,
    ),
    (&["media_networks"], r#"media_networks = ["10.0.0.0/8"]"#),
    (&["rates_file"], r#"rates_file = "rates.csv""#),
    (&["monthly_budget"], r#"monthly_budget = "50000 INR""#),
    (
        &["trusted_proxies"],
        r#"trusted_proxies = ["127.0.0.1", "::1"]"#,
    ),
    (&[], "[backup]"),
    (
        &["backup.directory"],
        r#"directory = "/mnt/backups/bluetick""#,
    ),
    (&["backup.every"], r#"every = "1d""#),
    (&["backup.keep"], "keep = 7"),
    (&[], "[retention]"),
    (&["retention.callbacks"], "callbacks = 90"),
    (&["retention.messages"], "messages = 400"),
    (&["accounts"], "[[accounts]]"),
    (&["accounts[].id"], r#"id = "kaleyra-in""#),
    (&["accounts[].provider"], r#"provider = "kaleyra""#),
    (
        &["accounts[].api_key"],
        r#"api_key = "env:KALEYRA_API_KEY""#,
    ),
    (&["accounts[].sid"], r#"sid = "HXAP1234567890IN""#),
    (&["accounts[].region"], r#"region = "in""#),
    (&["accounts[].sender"], r#"sender = "+918600000000""#),
    (
        &["accounts[].base_url"],
        r#"base_url = "https://api.kaleyra.example""#,
    ),
    (&["accounts[].deadline"], r#"deadline = "24h""#),
    (&["accounts[].timeout"], r#"timeout = "30s""#),
    (&["accounts[].send_before"], r#"send_before = "1h""#),
    (&["accounts[].rate"], "rate = 20"),
    (&["accounts[].max_in_flight"], "max_in_flight = 64"),
    (&["accounts[].mode"], r#"mode = "live""#),
    (&["accounts[].preflight"], r#"preflight = "warn""#),
    (&["accounts[].window"], r#"window = "refuse""#),
    (&["accounts[].free_per_month"], "free_per_month = 1000"),
    (
        &["accounts[].monthly_budget"],
        r#"monthly_budget = "5000 INR""#,
    ),
    (&["accounts[].default_country"], r#"default_country = "IN""#),
    (
        &["accounts[].provider_time_zone"],
        r#"provider_time_zone = "Asia/Kolkata""#,
    ),
    (
        &["accounts[].correlation_slot"],
        r#"correlation_slot = "auto""#,
    ),
    (&["accounts[].match_by"], r#"match_by = "off""#),
    (&["accounts[].adopt"], r#"adopt = "auto""#),
    (&["accounts[].adopt_after"], r#"adopt_after = "10m""#),
    (
        &["accounts[].callback_generation"],
        "callback_generation = 2",
    ),
    (&["accounts[].callback_retired"], "callback_retired = [1]"),
    (
        &[
            "accounts[].callback_auth.basic[].username",
            "accounts[].callback_auth.basic[].password",
        ],
        r#"callback_auth.basic = [{ username = "kaleyra", password = "env:KALEYRA_CALLBACK_PASSWORD" }]"#,
    ),
    (
        &[
            "accounts[].callback_auth.header[].name",
            "accounts[].callback_auth.header[].value",
        ],
        r#"callback_auth.header = [{ name = "X-Callback-Key", value = "env:KALEYRA_CALLBACK_KEY" }]"#,
    ),
    (
        &["accounts[].callback_auth.hmac.header"],
        r#"callback_auth.hmac.header = "X-Hub-Signature-256""#,
    ),
    (
        &["accounts[].callback_auth.hmac.secrets"],
        r#"callback_auth.hmac.secrets = ["env:META_APP_SECRET"]"#,
    ),
    (
        &["accounts[].callback_auth.verify_token"],
        r#"callback_auth.verify_token = "env:META_VERIFY_TOKEN""#,
    ),
    (
        &["accounts[].callback_fields.id"],
        r#"callback_fields.id = "msgid""#,
    ),
    (
        &["accounts[].callback_fields.status"],
        r#"callback_fields.status = "state""#,
    ),
    (
        &["accounts[].callback_fields.time"],
        r#"callback_fields.time = "at""#,
    ),
    (
        &["accounts[].callback_fields.recipient"],
        r#"callback_fields.recipient = "mobile""#,
    ),
    (
        &["accounts[].callback_fields.ref"],
        r#"callback_fields.ref = "first""#,
    ),
    (
        &["accounts[].callback_fields.ref1"],
        r#"callback_fields.ref1 = "second""#,
    ),
    (
        &["accounts[].callback_fields.ref2"],
        r#"callback_fields.ref2 = "third""#,
    ),
    (
        &["accounts[].callback_fields.error"],
        r#"callback_fields.error = "reason""#,
    ),
    (
        &["accounts[].callback_fields.price"],
        r#"callback_fields.price = "cost""#,
    ),
    (&[], "[[accounts]]"),
    (&[], r#"id = "sobot-main""#),
    (&[], r#"provider = "sobot""#),
    (&[], r#"api_key = "env:SOBOT_API_KEY""#),
    (
        &["accounts[].api_secret"],
        r#"api_secret = "env:SOBOT_API_SECRET""#,
    ),
    (
        &["accounts[].senders"],
        r#"senders = ["+918600000001", "+918600000002"]"#,
    ),
    (&[], "[[accounts]]"),
    (&[], r#"id = "zixflow-main""#),
    (&[], r#"provider = "zixflow""#),
    (&["accounts[].token"], r#"token = "env:ZIXFLOW_TOKEN""#),
    (&["accounts[].phone_id"], r#"phone_id = "106540352242922""#),
    (&[], "[[accounts]]"),
    (&[], r#"id = "lancepilot-main""#),
    (&[], r#"provider = "lancepilot""#),
    (&[], r#"token = "env:LANCEPILOT_TOKEN""#),
    (
        &["accounts[].workspace"],
        r#"workspace = "9e8d7c6b-0000-4000-8000-000000000001""#,
    ),
    (&["alerts"], "[[alerts]]"),
    (&["alerts[].kind"], r#"kind = "failure_rate""#),
    (&["alerts[].threshold"], "threshold = 0.2"),
    (&["alerts[].account"], r#"account = "kaleyra-in""#),
    (
        &["alerts[].url"],
        r#"url = "https://alerts.example.com/bluetick""#,
    ),
    (&["alerts[].format"], r#"format = "standard""#),
    (&["alerts[].secret"], r#"secret = "env:ALERT_SECRET""#),
];

#[test]
fn the_example_has_every_key_with_its_default_and_effect() {
    let shown: BTreeSet<&str> = SETTINGS
        .iter()
        .flat_map(|(keys, _)| *keys)
        .copied()
        .collect();
    let known: BTreeSet<&str> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(shown, known, "SETTINGS has every key once");
    check_golden(EXAMPLE, &example());
}

#[test]
fn the_example_gives_the_defaults_as_it_is() {
    let path = root().join(EXAMPLE);
    let config = Config::load(Some(&path), &Environment::new()).unwrap();
    let defaults = Config {
        file: Some(path),
        ..Config::in_folder(root().join("data"))
    };
    assert_eq!(format!("{config:?}"), format!("{defaults:?}"));
}

#[test]
fn every_setting_of_the_example_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "0123456789abcdef0123456789abcdef";
    fs::write(folder.path().join("previous-secret-key"), secret).unwrap();
    let text = example();
    let environment: Environment = text
        .split("\"env:")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(name, _)| (name.to_owned(), secret.to_owned()))
        .collect();
    let config = Config::parse(&uncommented(&text), folder.path(), &environment).unwrap();
    assert_eq!(config.accounts.len(), 4);
    assert_eq!(config.secret_key_previous.len(), 1);
}

#[test]
fn the_page_lists_every_key_with_its_default_and_effect() {
    let page = read(Path::new(PAGE));
    let (before, rest) = page.split_once("\n## Keys\n").expect("a heading `## Keys`");
    let after = rest.find("\n## ").map_or("", |at| &rest[at..]);
    let mut expected = format!("{before}\n## Keys\n\n| key | default | effect |\n|---|---|---|\n");
    for key in KEYS {
        writeln!(
            expected,
            "| `{}` | {} | {} |",
            key.name, key.default, key.effect
        )
        .unwrap();
    }
    expected += after;
    check_golden(PAGE, &expected);
}

fn example() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (keys, line) in SETTINGS {
        let opens = line.starts_with('[');
        if opens || !keys.is_empty() {
            text.push('\n');
        }
        for name in *keys {
            let key = KEYS.iter().find(|key| key.name == *name);
            let key = key.unwrap_or_else(|| panic!("{name} is not a key"));
            text += &comment(key);
        }
        // An empty table changes nothing, and its settings need it.
        let sign = if *line == "[retention]" { "" } else { "#" };
        writeln!(text, "{sign}{line}").unwrap();
    }
    text
}

fn comment(key: &ConfigKey) -> String {
    let default = match key.default {
        "–" => String::new(),
        needed if needed.starts_with("required") => format!(" {}.", capitalized(needed)),
        default => format!(" Default: {default}."),
    };
    let variable = key
        .variable()
        .map_or_else(String::new, |name| format!(" Environment: {name}."));
    let name = key.name.rsplit('.').next().unwrap_or(key.name);
    wrapped(&format!("{name}: {}{default}{variable}", key.effect)).replace('`', "")
}

/// Comment lines of at most 100 columns.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut line = "#".to_owned();
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > 100 {
            writeln!(lines, "{line}").unwrap();
            "#".clone_into(&mut line);
        }
        write!(line, " {word}").unwrap();
    }
    writeln!(lines, "{line}").unwrap();
    lines
}

fn capitalized(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    first.to_uppercase() + rest
}

/// The text with every setting in force.
fn uncommented(text: &str) -> String {
    text.lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => setting,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn check_golden(path: &str, expected: &str) {
    let file = root().join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, expected).unwrap();
    }
    assert!(
        fs::read_to_string(&file).unwrap_or_default() == expected,
        "{path} differs from src/config/reference.rs; rewrite it with \
         `UPDATE_GOLDEN=1 cargo test --test it configuration_reference`"
    );
}
