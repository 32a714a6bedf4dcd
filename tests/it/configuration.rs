//! `bluetick config check`, as an operator runs it.

use std::fs;
use std::process::{Command, Output};

use bluetick::web::dashboard::account_examples::SNIPPETS;

fn check(file: &str, variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bluetick.toml");
    fs::write(&path, file).unwrap();
    Command::new(env!("CARGO_BIN_EXE_bluetick"))
        .args(["config", "check", "--config"])
        .arg(&path)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes)
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_good_configuration_exits_with_0_and_says_so() {
    let output = check("public_url = \"https://hooks.example.com\"", &[]);
    assert!(output.status.success());
    assert_eq!(lines(&output.stdout), ["configuration is valid"]);
    assert_eq!(lines(&output.stderr), Vec::<String>::new());
}

#[test]
fn a_bad_configuration_names_every_wrong_key_on_a_line_of_its_own() {
    let output = check(
        "listn = 1\n[retention]\nmessages = -1\n[[accounts]]\nid = \"s\"\nprovider = \"sobot\"\napi_key = \"env:ABSENT\"\n",
        &[("BLUETICK_REPORT_TIME_ZONE", "Atlantis")],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let mut problems = lines(&output.stderr);
    problems.sort();
    assert_eq!(
        problems,
        [
            "bluetick: accounts[0].api_key: environment variable ABSENT is not set",
            "bluetick: accounts[0].api_secret: is required",
            "bluetick: listn: unknown key, did you mean listen?",
            "bluetick: report_time_zone: `Atlantis` is not a time zone; write a name such as Asia/Kolkata (from BLUETICK_REPORT_TIME_ZONE)",
            "bluetick: retention.messages: must be a whole number from 1 to 36500",
        ]
    );
}

#[test]
fn a_list_written_as_one_table_and_a_url_without_scheme_are_named_with_what_to_write() {
    let output = check(
        "public_url = \"hooks.example.com\"\n[accounts]\nid = \"s\"\nprovider = \"sobot\"\n",
        &[],
    );
    let nested = check(
        "[[accounts]]\nid = \"s\"\n[accounts.callback_auth.basic]\nuser = \"u\"\n",
        &[],
    );
    let printed = String::from_utf8(nested.stderr).unwrap();
    assert!(
        printed.contains("must be an array of tables, written as [[accounts.callback_auth.basic]]"),
        "{printed}"
    );
    let mut problems = lines(&output.stderr);
    problems.sort();
    assert_eq!(
        problems,
        [
            "bluetick: accounts: must be an array of tables, written as [[accounts]]",
            "bluetick: public_url: `hooks.example.com` must begin with http:// or https://",
        ]
    );
}

#[test]
fn what_serve_would_refuse_is_found_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let shown = folder.path().display();
    fs::write(folder.path().join("file"), "").unwrap();
    fs::write(folder.path().join("rates.csv"), "valid_from,account\n").unwrap();
    let file = format!(
        "data_dir = \"{shown}/file\"\nrates_file = \"{shown}/rates.csv\"\nmonthly_budget = 5\n[backup]\ndirectory = \"{shown}/file/copies\"\n"
    );
    let output = check(&file, &[]);
    assert_eq!(output.status.code(), Some(1));
    let problems = lines(&output.stderr);
    assert_eq!(
        problems[0],
        format!("bluetick: data_dir: {shown}/file is a file, but must be a folder")
    );
    assert_eq!(
        problems[1],
        format!("bluetick: backup.directory: {shown}/file is a file, but must be a folder")
    );
    assert!(
        problems[2].starts_with("bluetick: rates_file: ") && problems[2].contains("country"),
        "{problems:?}"
    );
    assert_eq!(problems.len(), 3, "{problems:?}");
    // Nothing was created.
    let output = check(&format!("data_dir = \"{shown}/new/data\""), &[]);
    assert!(output.status.success());
    assert!(!folder.path().join("new").exists());

    let file = format!(
        "data_dir = \"{shown}/data\"\nmonthly_budget = \"5 X\"\n[backup]\ndirectory = \"{shown}/./data\"\n"
    );
    let mut problems = lines(&check(&file, &[]).stderr);
    problems.sort();
    assert!(
        problems[0].starts_with("bluetick: backup.directory: is data_dir"),
        "{problems:?}"
    );
    assert!(
        problems[1].starts_with("bluetick: monthly_budget: `X` is not a currency"),
        "{problems:?}"
    );
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn no_error_message_contains_a_secret() {
    let output = check(
        "secret_key = \"hunter2\"\ndatabase_url = \"mysql://root:hunter2@db/x\"\n",
        &[],
    );
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("secret_key: ") && said.contains("database_url: "),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn the_examples_of_the_accounts_page_are_valid_once_their_secrets_are_set() {
    let variables = [
        "KALEYRA_API_KEY",
        "LANCEPILOT_TOKEN",
        "SOBOT_API_KEY",
        "SOBOT_API_SECRET",
        "ZIXFLOW_TOKEN",
    ];
    let variables = variables.map(|name| (name, "secret-0123456789"));
    let public = "public_url = \"https://hooks.example.com\"";
    let together = SNIPPETS.map(|(_, snippet)| snippet).join("\n\n");
    let together = format!("{public}\n\n{together}");
    let output = check(&together, &variables);
    assert_eq!(lines(&output.stderr), Vec::<String>::new());
    assert_eq!(lines(&output.stdout), ["configuration is valid"]);
}
