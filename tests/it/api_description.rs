//! The OpenAPI document against the running program: every statement about a call holds.

use std::collections::{BTreeMap, BTreeSet};

use bluetick::cli::Arguments;
use bluetick::domain::message_warning::WarningCode;
use bluetick::domain::scope::Scope;
use clap::CommandFactory;
use serde_json::{Map, Value, json};

use crate::harness::app::{App, read, start_app};

const UNKNOWN_ID: &str = "01a1f8e1-a5a0-7000-8000-000000000000";

/// One operation of the document.
struct Operation {
    method: String,
    path: String,
    scope: Scope,
    described: Map<String, Value>,
}

async fn document(app: &App) -> Value {
    let reply = app
        .client
        .get(app.url("/api/openapi.json"))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    assert!(
        reply.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("max-age")
    );
    reply.json().await.unwrap()
}

async fn operations(app: &App) -> Vec<Operation> {
    let document = document(app).await;
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, described) in item.as_object().unwrap() {
            let scope = described["security"][0]["bearer"][0].as_str().unwrap();
            assert_eq!(described["security"][1]["session"][0], scope, "{path}");
            operations.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                scope: scope.parse().unwrap(),
                described: described.as_object().unwrap().clone(),
            });
        }
    }
    operations
}

impl Operation {
    /// The address, about something that does not exist.
    fn address(&self) -> String {
        self.path.replace("{id}", UNKNOWN_ID)
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

#[actix_web::test]
async fn every_call_of_the_contract_is_described() {
    let app = start_app().await;
    let names: BTreeSet<String> = operations(&app).await.iter().map(Operation::name).collect();
    for call in [
        "POST /api/v1/messages",
        "GET /api/v1/messages",
        "GET /api/v1/messages/{id}",
        "GET /api/v1/messages/{id}/timeline",
        "GET /api/v1/messages/{id}/explain",
        "POST /api/v1/messages/{id}/cancel",
        "POST /api/v1/messages/{id}/resend",
        "POST /api/v1/messages/{id}/mark-failed",
        "POST /api/v1/messages/{id}/unmatch",
        "GET /api/v1/callbacks",
        "GET /api/v1/callbacks/{id}",
        "GET /api/v1/callbacks/{id}/raw",
        "GET /api/v1/orphans",
        "POST /api/v1/orphans/{id}/match",
        "GET /api/v1/problems",
        "GET /api/v1/problems/{kind}",
        "GET /api/v1/stats",
        "GET /api/v1/reports/costs.json",
        "GET /api/v1/reports/messages.csv",
        "GET /api/v1/reports/messages.ndjson",
        "GET /api/v1/reports/messages.xlsx",
        "GET /api/v1/reports/summary.csv",
        "GET /api/v1/reports/summary.json",
        "GET /api/v1/reports/summary.xlsx",
        "GET /api/v1/accounts",
        "POST /api/v1/accounts/{id}/resume",
        "GET /api/v1/live",
    ] {
        assert!(names.contains(call), "{call} is missing");
    }
    app.finish().await;
}

#[actix_web::test]
async fn every_reference_of_the_document_leads_somewhere_and_names_are_unique() {
    let app = start_app().await;
    let document = document(&app).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["servers"][0]["url"], app.url(""));
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut referred = 0;
    for piece in text.split("\"#/components/schemas/").skip(1) {
        let name = piece.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
        referred += 1;
    }
    assert!(referred > 50);
    for (name, schema) in schemas {
        let is_accepted = name.ends_with("Request") || name.ends_with("Body");
        let has_null = schema.to_string().contains("\"null\"");
        assert!(is_accepted || !has_null, "{name}: absent, not null");
    }
    let reason = &schemas["PauseRequest"]["properties"]["reason"];
    assert_eq!(reason["type"], json!(["string", "null"]));
    assert!(!document["paths"].to_string().contains("\"null\""));
    assert!(schemas.keys().all(|name| !name.contains("Map")));
    let created_at = &schemas["MessageResponse"]["properties"]["created_at"];
    assert_eq!(created_at["format"], "date-time");
    let mut names = BTreeSet::new();
    for operation in operations(&app).await {
        let name = operation.described["operationId"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(names.insert(name), "{}", operation.name());
        assert!(operation.described["summary"].as_str().unwrap().len() > 10);
    }
    for scheme in ["bearer", "session"] {
        assert!(document["components"]["securitySchemes"][scheme].is_object());
    }
    app.finish().await;
}

#[actix_web::test]
async fn the_required_fields_of_a_message_are_described_and_reported_together() {
    let app = start_app().await;
    let document = document(&app).await;
    let described = &document["components"]["schemas"]["SendRequest"]["required"];
    let described: BTreeSet<&str> = described
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(described, BTreeSet::from(["account", "kind", "to"]));
    let (status, problem) = app
        .post_json("/api/v1/messages", &Value::Object(Map::new()))
        .await;
    assert_eq!(status, 422);
    let reported: BTreeSet<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert!(described.is_subset(&reported), "{problem}");
    app.finish().await;
}

#[actix_web::test]
async fn an_unchanged_document_is_answered_304() {
    let app = start_app().await;
    let url = app.url("/api/openapi.json");
    let first = app.client.get(&url).send().await.unwrap();
    let tag = first.headers()["etag"].clone();
    let again = app.client.get(&url).header("if-none-match", tag);
    assert_eq!(again.send().await.unwrap().status(), 304);
    app.finish().await;
}

#[actix_web::test]
async fn every_call_asks_for_the_scope_that_it_names() {
    let app = start_app().await;
    for operation in operations(&app).await {
        let address = operation.address();
        let anonymous = app
            .client
            .request(operation.method.parse().unwrap(), app.url(&address));
        let (status, problem) = read(anonymous).await;
        assert_eq!(
            (status, &problem["code"]),
            (401, &"unauthenticated".into()),
            "{}",
            operation.name()
        );
        for scope in Scope::ALL {
            let reply = app
                .request_as(scope, &operation.method, &address)
                .send()
                .await
                .unwrap();
            let allowed = scope.implies(operation.scope);
            let status = reply.status().as_u16();
            assert_eq!(
                status != 403,
                allowed,
                "{} as {scope}: {status}",
                operation.name()
            );
            if !allowed {
                let problem: Value = reply.json().await.unwrap();
                assert_eq!(problem["code"], "missing_scope");
            }
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn every_parameter_of_the_document_is_known_and_no_other() {
    let app = start_app().await;
    for operation in operations(&app).await {
        let parameters = operation
            .described
            .get("parameters")
            .and_then(Value::as_array);
        let query: Vec<&str> = parameters
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        if query.is_empty() {
            continue;
        }
        let given: Vec<String> = query.iter().map(|name| format!("{name}=%00")).collect();
        let address = format!("{}?{}&colour=red", operation.address(), given.join("&"));
        let name = operation.name();
        let method = operation.method.as_str();
        let (status, problem) = read(app.request(method, &address)).await;
        assert_eq!(status, 422, "{name}");
        let errors: BTreeMap<&str, &str> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| {
                (
                    error["field"].as_str().unwrap(),
                    error["message"].as_str().unwrap(),
                )
            })
            .collect();
        let unknown = |message: &str| {
            message.contains("is not known here") || message.contains("is not a parameter")
        };
        assert!(unknown(errors["colour"]), "{}", operation.name());
        for name in query {
            // PostgreSQL cannot compare NUL with a text.
            assert_eq!(errors[name], "contains a NUL character", "{name}");
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_parameter_accepts_every_word_that_the_document_lists_and_no_other() {
    let app = start_app().await;
    let mut words = 0;
    for operation in operations(&app).await {
        let parameters = operation.described.get("parameters").cloned();
        let parameters = parameters.unwrap_or_default();
        for parameter in parameters.as_array().into_iter().flatten() {
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            let Some(listed) = schema["enum"]
                .as_array()
                .filter(|_| parameter["in"] == "query")
            else {
                continue;
            };
            let texts = listed.iter().map(|word| word.as_str().unwrap());
            for (word, is_listed) in texts.map(|word| (word, true)).chain([("no-word", false)]) {
                let address = format!("{}?{name}={word}", operation.address());
                let (_, reply) = read(app.request(&operation.method, &address)).await;
                let errors = reply["errors"].to_string();
                let is_refused = errors.contains(&format!("\"field\":\"{name}\""));
                assert_eq!(is_refused, !is_listed, "{address}: {reply}");
                words += 1;
            }
        }
    }
    assert!(words > 100, "{words}");
    app.finish().await;
}

#[actix_web::test]
async fn the_command_line_exports_with_every_parameter_of_the_api() {
    let app = start_app().await;
    let document = document(&app).await;
    let parameters = &document["paths"]["/api/v1/reports/messages.csv"]["get"]["parameters"];
    let parameters: BTreeSet<String> = parameters
        .as_array()
        .unwrap()
        .iter()
        .map(|parameter| parameter["name"].as_str().unwrap().replace('_', "-"))
        .collect();
    let command = Arguments::command();
    let export = command.find_subcommand("export").unwrap();
    let mut options: BTreeSet<String> = export
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .collect();
    for option in ["config", "format", "help", "output", "version"] {
        options.remove(option);
    }
    assert_eq!(options, parameters);
    assert!(options.contains("resent"));
    app.finish().await;
}

#[actix_web::test]
async fn calls_without_parameters_refuse_any_by_name() {
    let app = start_app().await;
    for operation in operations(&app).await {
        let address = format!("{}?colour=red", operation.address());
        let request = app.request(&operation.method, &address).json(&Value::Null);
        let (status, problem) = read(request).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (422, &"colour".into()),
            "{}: {problem}",
            operation.name()
        );
        let described = &operation.described["responses"]["422"]["description"];
        assert!(
            described.to_string().contains("`invalid_request`"),
            "{}: {described}",
            operation.name()
        );
    }
    app.finish().await;
}

#[actix_web::test]
async fn every_call_answers_404_to_an_unknown_id() {
    let app = start_app().await;
    for operation in operations(&app).await {
        if !operation.path.contains("{id}") {
            continue;
        }
        let body = serde_json::json!({ "message_id": UNKNOWN_ID });
        let mut request = app.request(&operation.method, &operation.address());
        if operation.path.ends_with("/match") {
            request = request.json(&body);
        }
        let (status, problem) = read(request).await;
        assert_eq!(
            (status, &problem["code"]),
            (404, &"not_found".into()),
            "{}: {problem}",
            operation.name()
        );
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_method_that_a_path_does_not_have_is_answered_405() {
    let app = start_app().await;
    for operation in operations(&app).await {
        let reply = app
            .request("DELETE", &operation.address())
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status(), 405, "{}", operation.path);
        assert_eq!(reply.headers()["content-type"], "application/problem+json");
        let problem: Value = reply.json().await.unwrap();
        assert_eq!(problem["code"], "method_not_allowed");
        assert_eq!(problem["status"], 405);
    }
    let (status, problem) = app.get("/api/v1/nothing").await;
    assert_eq!((status, &problem["code"]), (404, &"not_found".into()));
    app.finish().await;
}

#[actix_web::test]
async fn every_code_of_a_warning_is_described_and_documented() {
    let app = start_app().await;
    let document = document(&app).await;
    let schema = &document["components"]["schemas"]["WarningResponse"];
    let codes = WarningCode::ALL.map(WarningCode::as_str);
    assert_eq!(schema["properties"]["code"]["enum"], json!(codes));
    let page = include_str!("../../docs/api.md");
    for code in codes {
        assert!(page.contains(&format!("| `{code}` |")), "{code}");
    }
    app.finish().await;
}
