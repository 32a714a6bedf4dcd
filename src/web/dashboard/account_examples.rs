//! Examples of accounts, to be copied into the configuration file.

/// By provider.
pub const SNIPPETS: [(&str, &str); 4] = [
    (
        "Kaleyra",
        r#"[[accounts]]
id = "kaleyra-in"
provider = "kaleyra"
region = "in"
sid = "HXAP1234567890IN"
api_key = "env:KALEYRA_API_KEY"
sender = "+918600000000""#,
    ),
    (
        "LancePilot",
        r#"[[accounts]]
id = "lancepilot-br"
provider = "lancepilot"
workspace = "0b7d2a4e-94c1-4b57-8a54-7f1f3f6f9f01"
token = "env:LANCEPILOT_TOKEN""#,
    ),
    (
        "Sobot",
        r#"[[accounts]]
id = "sobot-main"
provider = "sobot"
api_key = "env:SOBOT_API_KEY"
api_secret = "env:SOBOT_API_SECRET""#,
    ),
    (
        "Zixflow",
        r#"[[accounts]]
id = "zixflow-main"
provider = "zixflow"
phone_id = "104000000000000"
token = "env:ZIXFLOW_TOKEN""#,
    ),
];
