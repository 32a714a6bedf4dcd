//! Every configuration key with default and effect, for `docs/configuration.md` and
//! `bluetick.example.toml`.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConfigKey {
    /// Full name; `[]` stands for a list index.
    pub name: &'static str,
    /// As shown in the documentation.
    pub default: &'static str,
    pub effect: &'static str,
    pub source: KeySource,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeySource {
    FileOrEnvironment,
    /// Part of a list, which the environment cannot express.
    File,
}

impl ConfigKey {
    /// The environment variable that overrides it, if one does.
    pub fn variable(&self) -> Option<String> {
        match self.source {
            KeySource::FileOrEnvironment => Some(format!(
                "BLUETICK_{}",
                self.name.to_ascii_uppercase().replace('.', "__")
            )),
            KeySource::File => None,
        }
    }
}

const fn overridable(name: &'static str, default: &'static str, effect: &'static str) -> ConfigKey {
    ConfigKey {
        name,
        default,
        effect,
        source: KeySource::FileOrEnvironment,
    }
}

const fn file_only(name: &'static str, default: &'static str, effect: &'static str) -> ConfigKey {
    ConfigKey {
        name,
        default,
        effect,
        source: KeySource::File,
    }
}

/// In the order of the documentation.
#[rustfmt::skip]
pub const KEYS: &[ConfigKey] = &[
    overridable("listen", "`127.0.0.1:8080`", "Address and port to listen on; port 0 takes any free port."),
    overridable("callback_listen", "none", "Address and port of a second listener that serves only `/callbacks`, `/reports`, `/media` and `/healthz`; `listen` then serves none of the first three. Needs `public_url`."),
    overridable("public_url", "`http://{listen}`", "Public URL of Bluetick. May have a path, which the proxy strips or leaves; pages, forms and `Location` begin with it."),
    overridable("data_dir", "`data`", "Folder (0700) for databases, spool, uploads and the generated secret key (files 0600)."),
    overridable("database_url", "`sqlite://{data_dir}/bluetick.db`", "`sqlite://PATH` or `postgres://…`."),
    overridable("database_connections", "`12`", "Maximum number of PostgreSQL connections of one process; at least 4."),
    overridable("secret_key", "generated in `data_dir` for a new SQLite database", "At least 32 bytes; callback URLs, report URLs and sessions are derived from it. Required with PostgreSQL."),
    file_only("secret_key_previous", "`[]`", "Earlier secret keys whose URLs still work."),
    overridable("report_time_zone", "`UTC`", "Time zone of report days, such as `Asia/Kolkata`."),
    overridable("retention.callbacks", "`90`, at most `retention.messages`", "Days to keep raw callbacks; unprocessed ones are always kept. PostgreSQL deletes whole UTC days."),
    overridable("retention.messages", "`400`", "Days to keep messages and everything that belongs to them, including quarantined copies; at least `retention.callbacks`. Counts in reports are kept."),
    overridable("backup.directory", "none", "Folder for backups that `serve` makes of SQLite, each in a folder of its own. Choose another disk, or copy the backups elsewhere: those on the disk of `data_dir` are lost with it."),
    overridable("backup.every", "`1d`", "Time between two backups, at least `10m`."),
    overridable("backup.keep", "`7`", "How many backups are kept; older ones are removed."),
    file_only("trusted_proxies", "`[]`", "Addresses or networks of reverse proxies, such as `127.0.0.1`, whose `Forwarded` or `X-Forwarded-For` names the client."),
    file_only("media_networks", "`[]`", "Networks such as `10.0.0.0/8` from which media may be fetched for checks, although they are not public."),
    overridable("rates_file", "none", "CSV file with what a delivered message costs: `valid_from,account,country,category,amount,currency`, where account, country and category may be `*`. Reloaded when it changes."),
    overridable("monthly_budget", "none", "What all accounts may cost per calendar month, such as `5000 INR`; alarms at 80 % and 100 %. Without a currency, it is the budget of each currency."),
    file_only("accounts", "none", "One table per login at a provider."),
    file_only("accounts[].id", "required", "Unique slug; part of the callback URL."),
    file_only("accounts[].provider", "required", "`sobot`, `kaleyra`, `zixflow` or `lancepilot`."),
    file_only("accounts[].api_key", "required for sobot, kaleyra", "The API key."),
    file_only("accounts[].api_secret", "required for sobot", "The API secret."),
    file_only("accounts[].sid", "required for kaleyra", "The account's SID."),
    file_only("accounts[].region", "required for kaleyra without `base_url`", "Kaleyra region: `in`, `sg` or `eu`."),
    file_only("accounts[].token", "required for zixflow, lancepilot", "The API token."),
    file_only("accounts[].phone_id", "required for zixflow", "WhatsApp's phone number id of the sender."),
    file_only("accounts[].workspace", "required for lancepilot", "The workspace's UUID."),
    file_only("accounts[].sender", "required for kaleyra", "Sender number with country code."),
    file_only("accounts[].senders", "–", "Several sender numbers instead of `sender`; the first is the default."),
    file_only("accounts[].base_url", "the provider's", "Replaces scheme and host of the provider's API; the path stays."),
    file_only("accounts[].callback_auth.basic[].username", "–", "User name that callbacks must send."),
    file_only("accounts[].callback_auth.basic[].password", "–", "Password for that user name."),
    file_only("accounts[].callback_auth.header[].name", "–", "Header that callbacks must send."),
    file_only("accounts[].callback_auth.header[].value", "–", "Exact value of that header."),
    file_only("accounts[].callback_auth.hmac.header", "–", "Header with the HMAC-SHA256 of the raw body, such as `X-Hub-Signature-256`."),
    file_only("accounts[].callback_auth.hmac.secrets", "–", "Accepted signing keys."),
    file_only("accounts[].callback_auth.verify_token", "–", "Token for Meta's `hub.challenge` handshake."),
    file_only("accounts[].callback_fields.id", "the provider's", "Field name of the message id in callbacks with custom names (Kaleyra callback profiles)."),
    file_only("accounts[].callback_fields.status", "the provider's", "Field name of the status."),
    file_only("accounts[].callback_fields.time", "the provider's", "Field name of the event time."),
    file_only("accounts[].callback_fields.recipient", "the provider's", "Field name of the recipient."),
    file_only("accounts[].callback_fields.ref", "`ref`", "Field name of the first reference."),
    file_only("accounts[].callback_fields.ref1", "`ref1`", "Field name of the second reference."),
    file_only("accounts[].callback_fields.ref2", "`ref2`", "Field name of the third reference."),
    file_only("accounts[].callback_fields.error", "the provider's", "Field name of the failure reason (code or text)."),
    file_only("accounts[].callback_fields.price", "the provider's", "Field name of the price."),
    file_only("accounts[].callback_generation", "`1`", "Raise it to replace a leaked callback URL; the previous URL works until it is retired."),
    file_only("accounts[].callback_retired", "`[]`", "Generations whose URLs are rejected."),
    file_only("accounts[].provider_time_zone", "`UTC`", "Time zone of the provider's times that have none, such as `Asia/Kolkata`."),
    file_only("accounts[].correlation_slot", "`auto`", "Reference slot for the correlation tag: `auto`, `ref`, `ref1` or `ref2`."),
    file_only("accounts[].adopt", "`auto`", "Whether orphans become messages \"sent elsewhere\": `auto` or `off`."),
    file_only("accounts[].adopt_after", "`10m`", "Age at which an orphan is adopted."),
    file_only("accounts[].match_by", "`recipient` for lancepilot, else `off`", "Whether a report without a known id may be matched by recipient."),
    file_only("accounts[].default_country", "none", "Country of numbers without country code, such as `IN`."),
    file_only("accounts[].deadline", "`24h`", "Time without a report after submission before a message is overdue."),
    file_only("accounts[].timeout", "`30s`, zixflow `60s`", "Total time for one call to the provider."),
    file_only("accounts[].send_before", "`1h`", "Time a message may stay queued; then it fails as expired."),
    file_only("accounts[].rate", "none", "Maximum messages per second; may be fractional."),
    file_only("accounts[].max_in_flight", "`64`", "Maximum concurrent submissions. An account begins with 4, and returns to 4 after failures."),
    file_only("accounts[].mode", "`live`", "`dry-run` validates and stores messages but submits none."),
    file_only("accounts[].preflight", "`warn`", "Whether the media of a message is fetched and checked before it is accepted: `off`, `warn` or `refuse`."),
    file_only("accounts[].window", "`warn`", "What happens to a free-form message to a customer whose 24-hour window is known to be closed: `ignore`, `warn` (accepted with a warning) or `refuse` (422)."),
    file_only("accounts[].free_per_month", "`0`", "Number of delivered messages per sender and calendar month that cost nothing: the first ones whose cost comes from a rate, not from the provider."),
    file_only("accounts[].monthly_budget", "none", "What this account may cost per calendar month, such as `5000 INR`; alarms at 80 % and 100 %."),
    file_only("alerts", "none", "Conditions to be notified of; one table each."),
    file_only("alerts[].kind", "required", "What is watched: `failure_rate` (share of the last hour's messages), `silent` (seconds without a callback while messages are sent), `tripped` (seconds since an account stopped sending), `overdue`, `backlog` (messages), `budget` (an amount spent this month) or `quarantine` (callbacks)."),
    file_only("alerts[].threshold", "by kind", "Value from which an incident is open: 0.2, 900, 0, 10, 10000, 80 % of each `monthly_budget`, and 1 in the order above."),
    file_only("alerts[].account", "all", "Only this account; without it every account has its own incidents."),
    file_only("alerts[].url", "none", "Receives one notification when an incident begins and one when it ends. An address that is not public must be in `media_networks`."),
    file_only("alerts[].format", "`standard`", "`standard` (Standard Webhooks) or `slack`."),
    file_only("alerts[].secret", "derived", "Key that signs notifications, `whsec_…`; without it `GET /api/v1/alerts` shows the one that is used."),
];
