//! Every configuration key with its default and effect: the README's table, the dashboard's and `--help`'s words.

/// One configuration key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Its name from the top of the file; `[]` stands for a place in a list.
    pub name: &'static str,
    /// What holds when it is absent, in words.
    pub default: &'static str,
    /// What it does.
    pub effect: &'static str,
    /// Whether the environment can override it.
    pub scope: Scope,
}

/// Where a key can be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// In the file, or by `BLUETICK_…` in the environment.
    Anywhere,
    /// In the file only: it belongs to a list.
    File,
}

impl Key {
    /// The environment variable that overrides it, if one does.
    pub fn variable(&self) -> Option<String> {
        match self.scope {
            Scope::Anywhere => Some(format!(
                "BLUETICK_{}",
                self.name.to_ascii_uppercase().replace('.', "__")
            )),
            Scope::File => None,
        }
    }
}

const fn anywhere(name: &'static str, default: &'static str, effect: &'static str) -> Key {
    Key {
        name,
        default,
        effect,
        scope: Scope::Anywhere,
    }
}

const fn file(name: &'static str, default: &'static str, effect: &'static str) -> Key {
    Key {
        name,
        default,
        effect,
        scope: Scope::File,
    }
}

/// Every key, in the order of the documentation.
pub const KEYS: &[Key] = &[
    anywhere(
        "listen",
        "`127.0.0.1:8080`",
        "Address and port to listen on; port 0 takes a free one.",
    ),
    anywhere(
        "public_url",
        "`http://{listen}`",
        "Where providers and people reach Bluetick; may have a path, which the proxy in front takes off (pages then need a host or port of their own).",
    ),
    anywhere(
        "data_dir",
        "`data`",
        "Folder (0700) of databases, spool, uploads and the made secret key (each file 0600).",
    ),
    anywhere(
        "database_url",
        "`sqlite://{data_dir}/bluetick.db`",
        "`sqlite://PATH` or `postgres://…`.",
    ),
    anywhere(
        "secret_key",
        "made in `data_dir` for a new SQLite database",
        "At least 32 bytes; callback URLs, report URLs and sessions are derived from it. Required with PostgreSQL.",
    ),
    file(
        "secret_key_previous",
        "`[]`",
        "Earlier secret keys whose URLs still work.",
    ),
    anywhere(
        "report_time_zone",
        "`UTC`",
        "Zone of the days in reports, such as `Asia/Kolkata`.",
    ),
    anywhere(
        "retention.callbacks",
        "`90`, or fewer where messages are kept for fewer",
        "Days for which raw callbacks are kept; unread ones stay. With PostgreSQL whole days (UTC) go at once.",
    ),
    anywhere(
        "retention.messages",
        "`400`",
        "Days for which messages and all of theirs are kept, copies in quarantine too; not less than `retention.callbacks`. Counts in reports stay.",
    ),
    file(
        "accounts",
        "none",
        "One table for each login at a provider.",
    ),
    file(
        "accounts[].id",
        "required",
        "A unique slug; part of the account's callback URL.",
    ),
    file(
        "accounts[].provider",
        "required",
        "`sobot`, `kaleyra`, `zixflow` or `lancepilot`.",
    ),
    file(
        "accounts[].api_key",
        "required for sobot, kaleyra",
        "The API key.",
    ),
    file(
        "accounts[].api_secret",
        "required for sobot",
        "The API secret.",
    ),
    file(
        "accounts[].sid",
        "required for kaleyra",
        "The account's SID.",
    ),
    file(
        "accounts[].region",
        "required for kaleyra without `base_url`",
        "The account's pod: `in`, `sg` or `eu`.",
    ),
    file(
        "accounts[].token",
        "required for zixflow, lancepilot",
        "The API token.",
    ),
    file(
        "accounts[].phone_id",
        "required for zixflow",
        "WhatsApp's id of the sender number.",
    ),
    file(
        "accounts[].workspace",
        "required for lancepilot",
        "The workspace's UUID.",
    ),
    file(
        "accounts[].sender",
        "required for kaleyra",
        "The business number, with country code.",
    ),
    file(
        "accounts[].senders",
        "–",
        "Several business numbers instead of `sender`; the first is the default.",
    ),
    file(
        "accounts[].base_url",
        "the provider's own",
        "Replaces scheme and host of the provider's API and keeps the path.",
    ),
    file(
        "accounts[].callback_auth.basic[].username",
        "–",
        "User name that callbacks must present.",
    ),
    file(
        "accounts[].callback_auth.basic[].password",
        "–",
        "Its password.",
    ),
    file(
        "accounts[].callback_auth.header[].name",
        "–",
        "Header that callbacks must present.",
    ),
    file(
        "accounts[].callback_auth.header[].value",
        "–",
        "Its exact value.",
    ),
    file(
        "accounts[].callback_auth.hmac.header",
        "–",
        "Header with the HMAC-SHA256 of the raw body, such as `X-Hub-Signature-256`.",
    ),
    file(
        "accounts[].callback_auth.hmac.secrets",
        "–",
        "Keys that may have signed.",
    ),
    file(
        "accounts[].callback_auth.verify_token",
        "–",
        "Answers Meta's `hub.challenge`.",
    ),
    file(
        "accounts[].callback_fields.id",
        "the provider's own",
        "Name of the message's id in callbacks whose names you chose (Kaleyra's callback profiles).",
    ),
    file(
        "accounts[].callback_fields.status",
        "the provider's own",
        "Name of the status word there.",
    ),
    file(
        "accounts[].callback_fields.time",
        "the provider's own",
        "Name of the time of the event.",
    ),
    file(
        "accounts[].callback_fields.recipient",
        "the provider's own",
        "Name of the customer's number.",
    ),
    file(
        "accounts[].callback_fields.ref",
        "`ref`",
        "Name of the first reference.",
    ),
    file(
        "accounts[].callback_fields.ref1",
        "`ref1`",
        "Name of the second reference.",
    ),
    file(
        "accounts[].callback_fields.ref2",
        "`ref2`",
        "Name of the third reference.",
    ),
    file(
        "accounts[].callback_fields.error",
        "the provider's own",
        "Name of the reason of a failure: a code or words.",
    ),
    file(
        "accounts[].callback_fields.price",
        "the provider's own",
        "Name of the price.",
    ),
    file(
        "accounts[].callback_generation",
        "`1`",
        "Raise it to get a new callback URL after one leaked; the one before still works until it is retired.",
    ),
    file(
        "accounts[].callback_retired",
        "`[]`",
        "Generations whose URL no longer works.",
    ),
    file(
        "accounts[].correlation_slot",
        "`auto`",
        "Reference slot for the correlation tag: `auto`, `ref`, `ref1` or `ref2`.",
    ),
    file(
        "accounts[].adopt",
        "`auto`",
        "Whether unmatched reports become messages \"sent elsewhere\": `auto` or `off`.",
    ),
    file(
        "accounts[].adopt_after",
        "`10m`",
        "How long an unmatched report waits for its message.",
    ),
    file(
        "accounts[].match_by",
        "`recipient` for lancepilot, else `off`",
        "Whether a report without a known id may be matched by its recipient.",
    ),
    file(
        "accounts[].default_country",
        "none",
        "Country, such as `IN`, of numbers written without country code.",
    ),
    file(
        "accounts[].deadline",
        "`24h`",
        "How long silence after hand-over is normal; later a message is overdue.",
    ),
    file(
        "accounts[].timeout",
        "`30s`, zixflow `60s`",
        "Total time for one call to the provider.",
    ),
    file(
        "accounts[].send_before",
        "`1h`",
        "How long a message may wait; later it fails as expired instead of being sent.",
    ),
    file(
        "accounts[].rate",
        "none",
        "Messages per second at the most.",
    ),
    file(
        "accounts[].mode",
        "`live`",
        "`dry-run` checks and keeps messages but hands none over.",
    ),
];
