//! The keys of the configuration: accepted values, defaults, and the problems that are reported.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use bluetick::config::reference::{ConfigKey, KEYS, KeySource};
use bluetick::config::{Config, ConfigErrors, Environment, RetentionDays};
use bluetick::domain::provider_account::{
    AccountMode, Adoption, CorrelationSlot, Credentials, KaleyraRegion, MatchBy, WindowPolicy,
};

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::parse(text, Path::new(""), &environment(variables))
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn problems(text: &str) -> Vec<String> {
    let errors = parse(text, &[]).unwrap_err();
    errors.0.iter().map(ToString::to_string).collect()
}

const EVERYTHING: &str = r#"
listen = "127.0.0.1:9000"
callback_listen = "0.0.0.0:9001"
public_url = "https://hooks.example.com/bluetick/"
data_dir = "state"
database_url = "sqlite://other/blue.db"
secret_key = "0123456789abcdef0123456789abcdef"
secret_key_previous = ["env:OLD_KEY"]
report_time_zone = "Asia/Kolkata"
trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]
[backup]
directory = "copies"
every = "6h"
keep = 3
[retention]
callbacks = 7
messages = 30
[[accounts]]
id = "kaleyra-in"
provider = "kaleyra"
region = "sg"
sid = "HXAP1600000000IN"
api_key = "A-secret"
senders = ["+91 86000 11111", "918600022222"]
base_url = "http://127.0.0.1:9100/kaleyra/"
callback_generation = 3
callback_retired = [1]
correlation_slot = "ref1"
adopt = "auto"
adopt_after = "5m"
match_by = "recipient"
default_country = "in"
deadline = "12h"
timeout = "10s"
send_before = "30m"
rate = 20
mode = "dry-run"
window = "refuse"
[accounts.callback_auth]
basic = [{ username = "kaleyra", password = "env:OLD_KEY" }]
header = [{ name = "X-Key", value = "v" }]
hmac = { header = "X-Hub-Signature-256", secrets = ["one", "two"] }
verify_token = "t"
[accounts.callback_fields]
id = "msgid"
status = "st"
time = "ts"
recipient = "mobile"
ref = "r"
ref1 = "r1"
ref2 = "r2"
error = "why"
price = "cost"
[[accounts]]
id = "sobot"
provider = "sobot"
api_key = "k"
api_secret = "s"
sender = "+918600011111"
[[accounts]]
id = "zix"
provider = "zixflow"
token = "t"
phone_id = "106540352242922"
[[accounts]]
id = "lance"
provider = "lancepilot"
token = "t"
workspace = "9E8D7C6B-0000-4000-8000-000000000001"

[[alerts]]
kind = "failure_rate"
threshold = 0.3
account = "kaleyra"
url = "https://alerts.example.com"
format = "slack"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"#;

#[test]
fn a_listener_for_callbacks_needs_a_public_url_and_an_address_of_its_own() {
    let config = parse(EVERYTHING, &[("OLD_KEY", &"k".repeat(32))]).unwrap();
    assert_eq!(config.callback_listen.as_deref(), Some("0.0.0.0:9001"));
    assert_eq!(
        problems("listen = \"127.0.0.1:1\"\ncallback_listen = \"127.0.0.1:1\""),
        [
            "callback_listen: must not be the address of listen",
            "callback_listen: needs public_url: the address at which providers reach this listener",
        ]
    );
    assert_eq!(
        problems("callback_listen = \"nowhere\"\npublic_url = \"https://h.example\""),
        ["callback_listen: `nowhere` is not an address and port such as 127.0.0.1:8080"]
    );
}

#[test]
fn no_file_gives_the_documented_defaults() {
    let config = parse("", &[]).unwrap();
    assert_eq!(config.listen, "127.0.0.1:8080");
    assert_eq!(config.public_url, "http://127.0.0.1:8080");
    assert_eq!(config.data_dir, Path::new("data"));
    assert_eq!(config.database_url.expose(), "sqlite://data/bluetick.db");
    assert_eq!(
        config.retention,
        RetentionDays {
            callbacks: 90,
            messages: 400
        }
    );
    assert_eq!(config.report_time_zone, chrono_tz::UTC);
    assert!(config.secret_key.is_none() && config.accounts.is_empty());
    let same = Config::in_folder("data".into());
    assert_eq!(format!("{config:?}"), format!("{same:?}"));
}

#[test]
fn every_key_is_read() {
    let environment = environment(&[("OLD_KEY", "an older key that is long enough too")]);
    let config = Config::parse(EVERYTHING, Path::new("/etc/bluetick"), &environment).unwrap();
    assert_eq!(config.public_url, "https://hooks.example.com/bluetick");
    assert_eq!(config.data_dir, Path::new("/etc/bluetick/state"));
    assert_eq!(
        config.database_url.expose(),
        "sqlite:///etc/bluetick/other/blue.db"
    );
    assert_eq!(config.secret_key_previous.len(), 1);
    let schedule = config.backup.as_ref().unwrap();
    assert_eq!(schedule.directory, Path::new("/etc/bluetick/copies"));
    assert_eq!((schedule.every.as_secs(), schedule.keep), (21_600, 3));
    assert_eq!(config.trusted_proxies.len(), 2);
    assert_eq!(config.report_time_zone, chrono_tz::Asia::Kolkata);
    assert_eq!(
        config.retention,
        RetentionDays {
            callbacks: 7,
            messages: 30
        }
    );

    let kaleyra = &config.accounts[0];
    assert!(matches!(
        &kaleyra.credentials,
        Credentials::Kaleyra { region: Some(KaleyraRegion::Singapore), sid, .. } if sid == "HXAP1600000000IN"
    ));
    assert_eq!(kaleyra.senders, ["+918600011111", "+918600022222"]);
    assert_eq!(
        kaleyra.base_url.as_deref(),
        Some("http://127.0.0.1:9100/kaleyra")
    );
    assert_eq!(
        (
            kaleyra.callback_generation,
            kaleyra.callback_retired.as_slice()
        ),
        (3, &[1][..])
    );
    assert_eq!(kaleyra.correlation_slot, CorrelationSlot::Ref1);
    assert_eq!(kaleyra.adoption, Adoption::After(Duration::from_mins(5)));
    assert_eq!(kaleyra.match_by, MatchBy::Recipient);
    assert_eq!(kaleyra.default_country.as_deref(), Some("IN"));
    assert_eq!(kaleyra.report_deadline, Duration::from_hours(12));
    assert_eq!(kaleyra.timeout, Duration::from_secs(10));
    assert_eq!(kaleyra.max_queue_time, Duration::from_mins(30));
    assert_eq!(kaleyra.rate, Some(20.0));
    assert_eq!(kaleyra.mode, AccountMode::DryRun);
    assert_eq!(kaleyra.window_policy, WindowPolicy::Refuse);
    let auth = &kaleyra.callback_auth;
    assert_eq!(auth.basic[0].username, "kaleyra");
    assert_eq!(auth.header[0].value.expose(), "v");
    assert_eq!(auth.hmac.as_ref().unwrap().secrets.len(), 2);
    assert_eq!(auth.verify_token.as_ref().unwrap().expose(), "t");

    let defaults: Vec<_> = config.accounts[1..]
        .iter()
        .map(|account| {
            (
                account.id.as_str(),
                account.timeout.as_secs(),
                account.match_by,
            )
        })
        .collect();
    assert_eq!(
        defaults,
        [
            ("sobot", 30, MatchBy::Off),
            ("zix", 60, MatchBy::Off),
            ("lance", 30, MatchBy::Recipient)
        ]
    );
}

#[test]
fn the_table_of_keys_names_exactly_the_keys_that_are_read() {
    let environment = environment(&[("OLD_KEY", "x")]);
    let mut requested = Config::requested_keys(EVERYTHING, &environment);
    for table in [
        "backup",
        "retention",
        "accounts[].callback_auth",
        "accounts[].callback_auth.basic",
        "accounts[].callback_auth.header",
        "accounts[].callback_auth.hmac",
        "accounts[].callback_fields",
    ] {
        assert!(requested.remove(table), "{table} was not read");
    }
    let listed: BTreeSet<String> = KEYS.iter().map(|key| key.name.to_owned()).collect();
    assert_eq!(listed, requested);
    assert_eq!(listed.len(), KEYS.len());
}

#[test]
fn a_schedule_of_backups_needs_a_directory_on_sqlite() {
    assert_eq!(
        problems("[backup]\nevery = \"6h\""),
        ["backup.directory: is missing; without it no backups are made"]
    );
    assert_eq!(
        problems("[backup]\ndirectory = \"b\"\nevery = \"1m\""),
        ["backup.every: must be at least 10m"]
    );
    assert_eq!(
        problems(
            "database_url = \"postgres://x/y\"\nsecret_key = \"0123456789abcdef0123456789abcdef\"\n[backup]\ndirectory = \"b\""
        ),
        ["backup.directory: is for SQLite; back up PostgreSQL with pg_dump"]
    );
    assert_eq!(
        problems("data_dir = \"data\"\n[backup]\ndirectory = \"data/backups\""),
        [
            "backup.directory: is the folder for backups before migrations, where only a few are kept; choose another one"
        ]
    );
}

#[test]
fn all_problems_are_reported_together() {
    let found = problems(
        r#"
        listn = "x"
        listen = "nowhere"
        public_url = "ftp://example.com"
        report_time_zone = "Mars/Olympus"
        secret_key = "short"
        [retention]
        callbacks = 0
        calbacks = 1
        messages = "many"
        [[accounts]]
        id = "Not A Slug"
        provider = "sobot"
        api_key = "env:MISSING_KEY"
        sid = "HX"
        colour = "blue"
        [[accounts]]
        id = "k"
        provider = "kaleyra"
        api_key = "file:/nowhere/at/all"
        sid = "a/b"
        sender = "12"
        adopt = "never"
        adopt_after = "10"
        rate = 0
        default_country = "ZZ"
        window = "block"
        callback_retired = [1]
        base_url = "https://user:pw@example.com"
        [[accounts]]
        id = "k"
        provider = "telex"
        "#,
    );
    let keys: Vec<&str> = found
        .iter()
        .filter_map(|line| line.split_once(": ").map(|(key, _)| key))
        .collect();
    for key in [
        "listn",
        "listen",
        "public_url",
        "report_time_zone",
        "secret_key",
        "retention.callbacks",
        "retention.calbacks",
        "retention.messages",
        "accounts[0].id",
        "accounts[0].api_key",
        "accounts[0].api_secret",
        "accounts[0].sid",
        "accounts[0].colour",
        "accounts[1].api_key",
        "accounts[1].sid",
        "accounts[1].sender",
        "accounts[1].adopt",
        "accounts[1].adopt_after",
        "accounts[1].rate",
        "accounts[1].default_country",
        "accounts[1].window",
        "accounts[1].callback_retired",
        "accounts[1].base_url",
        "accounts[2].id",
        "accounts[2].provider",
    ] {
        assert_eq!(
            keys.iter().filter(|found| **found == key).count(),
            1,
            "{key} in {found:#?}"
        );
    }
    assert_eq!(keys.len(), 25, "{found:#?}");
    let all = found.join("\n");
    assert!(
        all.contains("listn: unknown key, did you mean listen?"),
        "{all}"
    );
    assert!(
        all.contains("environment variable MISSING_KEY is not set"),
        "{all}"
    );
    assert!(all.contains("/nowhere/at/all"), "{all}");
    assert!(
        all.contains("sid: is a key of kaleyra, not of sobot"),
        "{all}"
    );
}

#[test]
fn each_provider_requires_its_own_keys() {
    for (provider, required) in [
        ("sobot", &["api_key", "api_secret"][..]),
        ("kaleyra", &["api_key", "sid", "region", "sender"]),
        ("zixflow", &["token", "phone_id"]),
        ("lancepilot", &["token", "workspace"]),
    ] {
        let found = problems(&format!(
            "[[accounts]]\nid = \"a\"\nprovider = \"{provider}\""
        ));
        let expected: Vec<String> = required
            .iter()
            .map(|key| format!("accounts[0].{key}: is required"))
            .collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for start in expected {
            assert!(
                found.iter().any(|line| line.starts_with(&start)),
                "{start} in {found:?}"
            );
        }
    }
}

#[test]
fn the_environment_overrides_scalars_and_its_mistakes_are_named() {
    let config = parse(
        "listen = \"127.0.0.1:1\"",
        &[
            ("BLUETICK_LISTEN", "127.0.0.1:2"),
            ("BLUETICK_RETENTION__CALLBACKS", "12"),
            ("BLUETICK_LOG", "debug"),
            ("BLUETICK_PORT", "tcp://10.0.0.1:80"),
            ("HOME", "/root"),
        ],
    )
    .unwrap();
    assert_eq!(
        (config.listen.as_str(), config.retention.callbacks),
        ("127.0.0.1:2", 12)
    );

    let errors = parse(
        "",
        &[
            ("BLUETICK_LISTN", "x"),
            ("BLUETICK_FOO", "x"),
            ("BLUETICK_RETENTION__CALLBACKS", "some"),
        ],
    )
    .unwrap_err()
    .to_string();
    assert!(
        errors.contains("BLUETICK_LISTN: unknown key, did you mean BLUETICK_LISTEN?"),
        "{errors}"
    );
    assert!(
        errors.contains("BLUETICK_FOO: unknown key: there is no such setting"),
        "{errors}"
    );
    assert!(
        errors.contains("retention.callbacks: ")
            && errors.contains("(from BLUETICK_RETENTION__CALLBACKS)"),
        "{errors}"
    );
}

#[test]
fn a_variable_named_by_the_file_is_not_an_unknown_key() {
    let text = "[[accounts]]\nid=\"s\"\nprovider=\"sobot\"\napi_key=\"env:BLUETICK_SOBOT_KEY\"\napi_secret=\"x\"";
    let config = parse(text, &[("BLUETICK_SOBOT_KEY", "the key\n")]).unwrap();
    assert!(matches!(
        &config.accounts[0].credentials,
        Credentials::Sobot { api_key, .. } if api_key.expose() == "the key"
    ));
    let account = config.accounts[0].id.clone();
    assert_eq!(
        config.variables_of(&account),
        [("api_key", "BLUETICK_SOBOT_KEY")]
    );
}

#[test]
fn the_path_of_a_secret_file_is_relative_to_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let key = "0123456789abcdef0123456789abcdef";
    std::fs::write(folder.path().join("key"), format!("{key}\r\n")).unwrap();
    let file = folder.path().join("blue.toml");
    std::fs::write(&file, "secret_key = \"file:key\"").unwrap();
    let config = Config::load(Some(&file), &Environment::new()).unwrap();
    assert_eq!(config.file.as_deref(), Some(file.as_path()));
    assert_eq!(config.secret_key.unwrap().expose(), key);
    let variable = environment(&[("BLUETICK_CONFIG", file.to_str().unwrap())]);
    assert_eq!(
        Config::load(None, &variable).unwrap().data_dir,
        folder.path().join("data")
    );
}

#[test]
fn a_missing_or_broken_file_is_named_without_showing_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blue.toml");
    let missing = Config::load(Some(&file), &Environment::new())
        .unwrap_err()
        .to_string();
    assert!(
        missing.starts_with(&file.display().to_string()),
        "{missing}"
    );
    std::fs::write(
        &file,
        "listen = \"127.0.0.1:1\"\nsecret_key = hunter2hunter2\n",
    )
    .unwrap();
    let broken = Config::load(Some(&file), &Environment::new())
        .unwrap_err()
        .to_string();
    assert!(
        broken.starts_with(&file.display().to_string()) && broken.contains("line 2"),
        "{broken}"
    );
    assert!(
        !broken.contains("hunter2") && !broken.contains('\n'),
        "{broken}"
    );
}

#[test]
fn postgres_requires_a_secret_key() {
    assert_eq!(
        problems("database_url = \"postgres://db/bluetick\""),
        ["secret_key: is required with PostgreSQL"]
    );
    let wrong = problems("database_url = \"mysql://u:hunter2@db/x\"").join("\n");
    assert!(
        wrong.starts_with("database_url: ") && !wrong.contains("hunter2"),
        "{wrong}"
    );
}

#[test]
fn warnings_name_settings_that_are_probably_not_intended() {
    let text = EVERYTHING.replace("https://hooks.example.com/bluetick/", "http://localhost:1");
    let config = parse(&text, &[("OLD_KEY", "x")]).unwrap();
    let warnings = config.warnings().join("\n");
    for key in [
        "public_url: http://localhost:1 can only be reached from this machine",
        "accounts[0].base_url: ",
        "accounts[0].mode: ",
        "alerts[0].account: `kaleyra` is not the id of an account, so the alert never begins; the accounts are kaleyra-in, sobot, zix, lance",
    ] {
        assert!(warnings.contains(key), "{key} in {warnings}");
    }
    let good = parse("public_url = \"https://hooks.example.com\"", &[]).unwrap();
    assert_eq!(good.warnings(), Vec::<String>::new());
}

#[test]
fn a_local_public_url_with_another_port_than_listen_is_a_warning() {
    let warnings = |listen: &str| {
        let text = format!("public_url = \"http://127.0.0.1:8080\"\n{listen}");
        parse(&text, &[]).unwrap().warnings().join("\n")
    };
    let expected = "public_url: has port 8080, but `listen` has port 8085";
    assert!(warnings("listen = \"127.0.0.1:8085\"").contains(expected));
    for listen in ["", "listen = \"127.0.0.1:0\""] {
        assert!(!warnings(listen).contains("has port"), "{listen}");
    }
}

#[test]
fn an_alert_about_a_budget_that_does_not_exist_is_a_warning() {
    let warnings = |budget: &str, alert: &str| {
        let text = format!(
            "public_url = \"https://hooks.example.com\"\n{budget}\n\
             [[accounts]]\nid = \"a\"\nprovider = \"sobot\"\napi_key = \"k\"\napi_secret = \"s\"\n\
             [[alerts]]\nkind = \"budget\"\n{alert}"
        );
        parse(&text, &[]).unwrap().warnings()
    };
    let found = warnings("", "");
    assert_eq!(
        found,
        [
            "alerts[0].kind: is budget, but there is no monthly_budget, so the alert never begins; set monthly_budget, or alerts[0].threshold to an amount"
        ]
    );
    let found = warnings("monthly_budget = 5", "account = \"a\"");
    assert!(found[0].contains("a has no monthly_budget"), "{found:?}");
    for (budget, alert) in [("monthly_budget = 5", ""), ("", "threshold = 5")] {
        assert_eq!(warnings(budget, alert), Vec::<String>::new());
    }
}

#[test]
fn a_secret_that_looks_like_a_variable_is_a_warning_that_does_not_show_it() {
    let of_key = |key: &str| {
        let text = format!(
            "public_url = \"https://hooks.example.com\"\n[[accounts]]\nid = \"a\"\nprovider = \"sobot\"\napi_key = '{key}'\napi_secret = \"s\""
        );
        parse(&text, &[("KEY", "${SOBOT_KEY}")]).unwrap().warnings()
    };
    for key in ["$SOBOT_KEY", "${SOBOT_KEY}", "env:KEY"] {
        let [warning] = of_key(key).try_into().unwrap();
        assert!(
            warning.starts_with("accounts[0].api_key: looks like a variable that was not replaced")
                && !warning.contains("SOBOT"),
            "{warning}"
        );
    }
    for key in ["$2y$10$abc", "$", "k$KEY", "${", "$1"] {
        assert_eq!(of_key(key), Vec::<String>::new(), "{key}");
    }
}

#[test]
fn a_bound_port_replaces_only_the_default_address() {
    let bound = "127.0.0.1:40001".parse().unwrap();
    let config = parse("listen = \"127.0.0.1:0\"", &[]).unwrap();
    assert_eq!(config.public_url_at(bound), "http://127.0.0.1:40001");
    let config = parse("public_url = \"https://a.example\"", &[]).unwrap();
    assert_eq!(config.public_url_at(bound), "https://a.example");
}

#[test]
fn every_overridable_key_has_its_variable() {
    let variables: Vec<_> = KEYS.iter().filter_map(ConfigKey::variable).collect();
    assert!(variables.contains(&"BLUETICK_RETENTION__CALLBACKS".to_owned()));
    assert!(
        KEYS.iter()
            .all(|key| key.name.starts_with("accounts") <= (key.source == KeySource::File))
    );
}

#[test]
fn impossible_names_of_a_callback_profile_are_rejected_by_key() {
    let text = r#"
        [[accounts]]
        id = "s"
        provider = "sobot"
        api_key = "k"
        api_secret = "s"
        callback_fields = { id = "<message_id>", status = "st", time = "st", ref3 = "x", price = 3, error = "" }
    "#;
    assert_eq!(
        problems(text),
        [
            "accounts[0].callback_fields.id: `<message_id>` looks like a variable of the profile; give the name of the field that contains it",
            "accounts[0].callback_fields.error: is empty",
            "accounts[0].callback_fields.price: must be a quoted string",
            "accounts[0].callback_fields.time: `st` is already the name of `status`",
            "accounts[0].callback_fields.ref3: unknown key, did you mean ref?",
        ]
    );
}

#[test]
fn a_key_in_the_wrong_table_is_refused_with_the_right_one() {
    for (text, expected) in [
        // As after removing only the # of this line in the example.
        (
            "directory = \"/b\"",
            "directory: unknown key; it belongs under [backup]",
        ),
        (
            "[retention]\nprovider = \"sobot\"",
            "retention.provider: unknown key; it belongs under [[accounts]]",
        ),
        (
            "[backup]\ndirectory = \"/b\"\npublic_url = \"https://h.example\"",
            "backup.public_url: unknown key; it belongs above the first line in brackets",
        ),
    ] {
        let found = problems(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(expected), "{found:?}");
    }
}

#[test]
fn a_secret_that_cannot_be_read_is_the_only_problem_of_its_list() {
    let text = r#"
        [[accounts]]
        id = "s"
        provider = "sobot"
        api_key = "k"
        api_secret = "s"
        [accounts.callback_auth.hmac]
        header = "X-Signature"
        secrets = SECRETS
    "#;
    for (secrets, expected) in [
        (
            r#"["env:UNSET"]"#,
            "accounts[0].callback_auth.hmac.secrets[0]: environment variable UNSET is not set",
        ),
        (
            "[]",
            "accounts[0].callback_auth.hmac.secrets: must name at least one secret",
        ),
    ] {
        assert_eq!(problems(&text.replace("SECRETS", secrets)), [expected]);
    }
}

#[test]
fn a_syntax_error_has_a_place_and_a_reason_but_not_the_line() {
    let found = problems("secret_key = 0123-secret\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("line 1, column"), "{found:?}");
    assert!(!found[0].contains("TOML source string"), "{found:?}");
    assert!(!found[0].contains("0123-secret"), "{found:?}");
    let (_, reason) = found[0].rsplit_once(": ").unwrap();
    assert!(reason.chars().any(char::is_alphabetic), "{found:?}");
}
