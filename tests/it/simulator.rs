//! The simulated providers: every documented reply and error over HTTP, repeatable outcomes.

use std::net::TcpListener;
use std::time::Duration;

use bluetick::domain::provider::ProviderId;
use bluetick::simulator::settings::RefusalStatus;
use bluetick::simulator::{
    CallbackRelease, CallbackTargets, FaultRates, ForcedReply, PlannedOutcome, Settings, Simulator,
    SimulatorHandle,
};
use reqwest::{RequestBuilder, Response, multipart};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::harness::addresses::RefusingSocket;

pub(crate) const TO: &str = "919812300001";

pub(crate) const ALL: [ProviderId; 4] = ProviderId::ALL;

/// A simulator that posts callbacks on demand, and a receiver for them.
pub(crate) struct SimulatorFixture {
    pub(crate) simulator: SimulatorHandle,
    pub(crate) receiver: MockServer,
    client: reqwest::Client,
}

impl SimulatorFixture {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let receiver = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(200))
            .mount(&receiver)
            .await;
        let mut settings = Settings {
            release: CallbackRelease::Manual,
            customer_reply_share: 0.0,
            targets: ALL
                .iter()
                .fold(CallbackTargets::default(), |all, provider| {
                    all.with(*provider, format!("{}/{provider}", receiver.uri()))
                }),
            ..Settings::default()
        };
        settings.zixflow.form_report_share = 0.0;
        change(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            simulator: Simulator::start(settings, listener).unwrap(),
            receiver,
            client: bluetick::http_client::builder().build().unwrap(),
        }
    }

    fn post(&self, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.simulator.base_url());
        self.client.post(url)
    }

    fn sobot(&self, body: &Value) -> RequestBuilder {
        self.post("/message/")
            .header("x-api-key", "sobot-key")
            .header("x-api-secret", "sobot-secret")
            .json(body)
    }

    fn kaleyra(&self, body: &Value) -> RequestBuilder {
        self.post("/v2/HXAP1700000000IN/whatsapp/+919000000002/messages")
            .header("api-key", "kaleyra-key")
            .json(body)
    }

    fn zixflow(&self, body: &Value) -> RequestBuilder {
        self.post("/api/v1/campaign/whatsapp/message/send")
            .bearer_auth("zixflow-token")
            .json(body)
    }

    fn lancepilot(&self, kind: &str) -> RequestBuilder {
        let workspace = "9c0e1b1e-0000-4000-8000-00000000000a";
        self.post(&format!(
            "/api/v3/workspaces/{workspace}/contacts/number/{TO}/messages/{kind}"
        ))
        .bearer_auth("lancepilot-token")
    }

    /// Sends a valid message to a provider.
    pub(crate) async fn send(&self, provider: ProviderId) -> (u16, Value) {
        let request = match provider {
            ProviderId::Sobot => self.sobot(&sobot_image()),
            ProviderId::Kaleyra => self.kaleyra(&kaleyra_video()),
            ProviderId::Zixflow => self.zixflow(&self.zixflow_image()),
            ProviderId::LancePilot => self
                .lancepilot("image")
                .json(&json!({ "file": "https://media.example/a.png" })),
        };
        read(request.send().await.unwrap()).await
    }

    fn zixflow_image(&self) -> Value {
        json!({
            "to": TO,
            "phoneId": "104898309288001",
            "type": "image",
            "image": { "link": "https://media.example/a.png" },
            "submissionStatus": true,
            "reportURL": format!("{}/report/abc", self.receiver.uri()),
        })
    }

    /// Every callback received, with its path and body.
    pub(crate) async fn callbacks(&self) -> Vec<(String, Value)> {
        let requests = self.receiver.received_requests().await.unwrap();
        requests
            .iter()
            .map(|request| {
                let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
                (request.url.path().to_owned(), body)
            })
            .collect()
    }
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

async fn ask(request: RequestBuilder) -> (u16, Value) {
    read(request.send().await.unwrap()).await
}

fn sobot_image() -> Value {
    json!({
        "type": "image",
        "url": "https://media.example/a.png",
        "mime_type": "image/png",
        "customer_number": TO,
        "customer_name": "Asha Rao",
    })
}

fn kaleyra_video() -> Value {
    json!({
        "messaging_object": {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": format!("+{TO}"),
            "type": "video",
            "video": { "link": "https://media.example/a.mp4", "caption": "Diwali" },
        },
        "extra_info": { "ref": "order-1", "ref1": "autumn", "ref2": "bt:tag", "wa_source": "api" },
    })
}

fn changed(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

#[actix_web::test]
async fn sobot_accepts_a_valid_message_and_returns_its_wamid() {
    let fixture = SimulatorFixture::start().await;
    let (status, body) = fixture.send(ProviderId::Sobot).await;
    assert_eq!(status, 200);
    assert_eq!(body["message"], "Message sent successfully.");
    assert_eq!(body["code"], 200);
    assert_eq!(body["data"]["status"], "submitted");
    assert!(body["data"]["id"].as_str().unwrap().starts_with("wamid."));
}

#[actix_web::test]
async fn sobot_errors_have_only_message_and_code() {
    let fixture = SimulatorFixture::start().await;
    let wrong_key = fixture.post("/message/").json(&sobot_image());
    let (status, body) = ask(wrong_key).await;
    assert_eq!((status, &body["code"]), (401, &json!(401)));
    let cases = [
        (
            "/customer_number",
            json!("+91 98123"),
            "Invalid mobile number",
        ),
        ("/type", json!("sticker"), "Invalid message type"),
        ("/mime_type", json!("image/webp"), "Invalid mime type"),
        ("/url", json!("ftp://media.example/a"), "Invalid media url"),
        ("/customer_name", json!(""), "Customer name is required"),
    ];
    for (pointer, value, words) in cases {
        let reply = ask(fixture.sobot(&changed(sobot_image(), pointer, value))).await;
        assert_eq!(reply, (400, json!({ "message": words, "code": 400 })));
    }
}

#[actix_web::test]
async fn sobot_can_reject_with_http_200() {
    let fixture =
        SimulatorFixture::with(|s| s.sobot.refusal_status = RefusalStatus::AlwaysOk).await;
    let body = changed(sobot_image(), "/type", json!("text"));
    let (status, reply) = ask(fixture.sobot(&body)).await;
    assert_eq!((status, &reply["code"]), (200, &json!(400)));
}

#[actix_web::test]
async fn kaleyra_accepts_a_valid_message_and_returns_its_own_id() {
    let fixture = SimulatorFixture::start().await;
    let (status, body) = fixture.send(ProviderId::Kaleyra).await;
    assert_eq!(status, 202);
    assert_eq!(body["code"], "WA202");
    assert_eq!(body["error"], json!({}));
    assert!(
        body["data"]["message_id"]
            .as_str()
            .unwrap()
            .starts_with('A')
    );
}

#[actix_web::test]
async fn kaleyra_has_seven_error_bodies() {
    let fixture = SimulatorFixture::with(|s| s.kaleyra.balance = Some(1)).await;
    let to = |path: &str, key: &str| {
        fixture
            .post(path)
            .header("api-key", key)
            .json(&kaleyra_video())
    };
    let good = "/v2/HXAP1700000000IN/whatsapp/+919000000002/messages";
    let incorrect = "Incorrect SID or API key.";
    let rbc = json!({ "code": "RBC001", "message": incorrect, "data": [], "error": { "error": incorrect } });
    assert_eq!(ask(to(good, "wrong")).await, (401, rbc.clone()));
    let other_sid = "/v2/HXAP1/whatsapp/+919000000002/messages";
    assert_eq!(ask(to(other_sid, "kaleyra-key")).await, (401, rbc));

    let (status, body) = ask(to(good, "kaleyra-restricted-key")).await;
    assert_eq!((status, &body["code"]), (401, &json!("WA-401")));
    assert!(body["error"]["account"].is_string());

    let older = "/v2/HXAP1700000000IN/whatsapp/+919000000092/messages";
    let (status, body) = ask(to(older, "kaleyra-key")).await;
    assert_eq!((status, &body["code"]), (401, &json!("WA-401")));
    assert!(body["error"]["phone_number"].is_string());

    let unknown = "/v2/HXAP1700000000IN/whatsapp/+911/messages";
    let (status, body) = ask(to(unknown, "kaleyra-key")).await;
    assert_eq!((status, &body["code"]), (401, &json!("WA401")));
    assert_eq!(body["data"], json!({}));

    let both = changed(
        kaleyra_video(),
        "/messaging_object/video",
        json!({ "id": "1", "link": "https://media.example/a.mp4" }),
    );
    let (status, body) = ask(fixture.kaleyra(&both)).await;
    assert_eq!((status, &body["code"]), (400, &json!("WA400")));
    assert_eq!(body["error"]["payload"], "Incorrect payload format");

    assert_eq!(ask(to(good, "kaleyra-key")).await.0, 202);
    let (status, body) = ask(to(good, "kaleyra-key")).await;
    assert_eq!((status, &body["code"]), (400, &json!("E110")));

    let fixture = SimulatorFixture::with(|s| s.kaleyra.internal_error_share = 1.0).await;
    let (status, body) = fixture.send(ProviderId::Kaleyra).await;
    assert_eq!((status, &body["code"]), (500, &json!("WA500")));
    assert_eq!(body["error"]["error"], "Internal server error");
}

#[actix_web::test]
async fn zixflow_replies_with_or_without_ids() {
    let fixture = SimulatorFixture::with(|s| s.zixflow.reply_without_id_share = 0.0).await;
    let (status, body) = fixture.send(ProviderId::Zixflow).await;
    assert_eq!((status, &body["status"]), (200, &json!(true)));
    assert_eq!(body["messageId"].as_str().unwrap().len(), 24);
    assert_ne!(body["messageId"], body["campaignId"]);

    let bare = json!({ "status": true, "message": "Message sent successfully" });
    let without_submission_status =
        changed(fixture.zixflow_image(), "/submissionStatus", json!(false));
    assert_eq!(
        ask(fixture.zixflow(&without_submission_status)).await,
        (200, bare.clone())
    );
    let fixture = SimulatorFixture::with(|s| s.zixflow.reply_without_id_share = 1.0).await;
    assert_eq!(fixture.send(ProviderId::Zixflow).await, (200, bare));
}

#[actix_web::test]
async fn zixflow_rejects_wrong_tokens_and_invalid_data() {
    let fixture = SimulatorFixture::start().await;
    let wrong_token = fixture
        .post("/api/v1/campaign/whatsapp/message/send")
        .bearer_auth("other")
        .json(&fixture.zixflow_image());
    let unauthorised = json!({ "status": false, "message": "Unauthorised" });
    assert_eq!(ask(wrong_token).await, (401, unauthorised));
    let invalid = (
        400,
        json!({ "status": false, "message": "Invalid data Provided" }),
    );
    let cases = [
        ("/to", json!("+919812300001")),
        ("/phoneId", json!("1")),
        ("/image", json!({ "link": "nowhere" })),
        ("/submissionStatus", json!("true")),
    ];
    for (pointer, value) in cases {
        let body = changed(fixture.zixflow_image(), pointer, value);
        assert_eq!(ask(fixture.zixflow(&body)).await, invalid);
    }
}

#[actix_web::test]
async fn lancepilot_accepts_a_media_url_and_returns_no_id() {
    let fixture = SimulatorFixture::start().await;
    let created = json!({ "status": 201, "message": "Resource created successfully.", "data": {} });
    assert_eq!(fixture.send(ProviderId::LancePilot).await, (201, created));
}

#[actix_web::test]
async fn lancepilot_replies_401_404_and_422_per_field() {
    let fixture = SimulatorFixture::start().await;
    let file = json!({ "file": "https://media.example/a.mp4" });
    let path = "/api/v3/workspaces/9c0e1b1e-ffff-4000-8000-000000000000/contacts/number/919812300001/messages/video";
    let elsewhere = fixture.post(path).bearer_auth("lancepilot-token");
    let unauthenticated = fixture.post(path).json(&file);
    assert_eq!(
        ask(unauthenticated).await,
        (401, json!({ "message": "Unauthenticated." }))
    );
    assert_eq!(
        ask(elsewhere.json(&file)).await,
        (
            404,
            json!({ "message": "Resource not found.", "status": 404 })
        )
    );
    let wrong = json!({ "file": "nowhere", "caption": "x".repeat(1025) });
    let (status, body) = ask(fixture.lancepilot("video").json(&wrong)).await;
    assert_eq!(
        (status, &body["message"]),
        (422, &json!("Validation error"))
    );
    assert_eq!(
        body["errors"]["file"],
        json!(["The file field must be a valid URL."])
    );
    assert_eq!(body["errors"]["caption"].as_array().unwrap().len(), 1);
}

fn upload(name: &str, mime_type: &str, size: usize) -> multipart::Form {
    let part = multipart::Part::bytes(vec![7; size])
        .file_name(name.to_owned())
        .mime_str(mime_type)
        .unwrap();
    multipart::Form::new().part("file", part)
}

#[actix_web::test]
async fn lancepilot_accepts_uploads_up_to_the_size_limit() {
    let fixture = SimulatorFixture::start().await;
    let send = async |kind: &str, form| ask(fixture.lancepilot(kind).multipart(form)).await;
    let image = 5120 * 1024;
    let video = 16384 * 1024;
    assert_eq!(
        send("image", upload("a.jpg", "image/jpeg", image)).await.0,
        201
    );
    assert_eq!(
        send("video", upload("a.mp4", "video/mp4", video)).await.0,
        201
    );
    let (status, body) = send("image", upload("a.jpg", "image/jpeg", image + 1)).await;
    assert_eq!(status, 422);
    assert_eq!(
        body["errors"]["file"],
        json!(["The file field must not be greater than 5120 kilobytes."])
    );
    assert_eq!(
        send("video", upload("a.mp4", "video/mp4", video + 1))
            .await
            .0,
        422
    );
    let (_, body) = send("video", upload("a.mov", "video/quicktime", 10)).await;
    assert_eq!(
        body["errors"]["file"],
        json!(["The file field must be a file of type: mp4, 3gp."])
    );
    let (_, body) = send("video", multipart::Form::new().text("caption", "x")).await;
    assert_eq!(
        body["errors"]["file"],
        json!(["The file field is required."])
    );
}

#[actix_web::test]
async fn a_reply_can_be_forced() {
    let fixture = SimulatorFixture::start().await;
    let sobot = ProviderId::Sobot;
    let simulator = &fixture.simulator;
    simulator.force(sobot, ForcedReply::json(200, &json!({ "code": 500 })));
    simulator.force(
        sobot,
        ForcedReply::redirect(302, "https://elsewhere.example/"),
    );
    simulator.force(sobot, ForcedReply::hang_up());
    simulator.force(sobot, ForcedReply::silence());
    assert_eq!(fixture.send(sobot).await, (200, json!({ "code": 500 })));
    let client = bluetick::http_client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.build().unwrap();
    let url = format!("{}/message/", simulator.base_url());
    let reply = client.post(&url).json(&sobot_image()).send().await.unwrap();
    assert_eq!(reply.headers()["location"], "https://elsewhere.example/");
    assert!(client.post(&url).body("x").send().await.is_err());
    let silent = client.post(&url).timeout(Duration::from_millis(200));
    assert!(silent.send().await.unwrap_err().is_timeout());
    assert_eq!(fixture.send(sobot).await.0, 200);
    assert_eq!(simulator.received().len(), 5);
}

#[actix_web::test]
async fn a_message_can_be_accepted_although_the_connection_was_closed() {
    let fixture = SimulatorFixture::start().await;
    let reply = ForcedReply::hang_up().although_accepted();
    fixture.simulator.force(ProviderId::Sobot, reply);
    fixture
        .simulator
        .force_outcome(ProviderId::Sobot, PlannedOutcome::Sent);
    assert!(fixture.sobot(&sobot_image()).send().await.is_err());
    assert_eq!(fixture.simulator.oracle()[0]["state"], "uncertain");
    fixture.simulator.deliver_all().await;
    assert_eq!(fixture.callbacks().await.len(), 1);
    assert_eq!(fixture.simulator.oracle()[0]["state"], "sent");
}

#[actix_web::test]
async fn received_requests_are_recorded_unchanged() {
    let fixture = SimulatorFixture::start().await;
    fixture.send(ProviderId::Kaleyra).await;
    let request = fixture.simulator.received().remove(0);
    assert_eq!(request.method, "POST");
    assert_eq!(
        request.path,
        "/v2/HXAP1700000000IN/whatsapp/+919000000002/messages"
    );
    assert_eq!(request.header("api-key"), Some("kaleyra-key"));
    assert_eq!(request.json(), kaleyra_video());
}

/// The callbacks and expected states of 60 sends under a fixed clock, without URLs.
async fn outcomes(seed: u64) -> (Vec<String>, Vec<Value>) {
    let fixture = SimulatorFixture::with(|settings| {
        settings.seed = seed;
        settings.faults = FaultRates::all();
        settings.customer_reply_share = 0.3;
        settings.clock = std::sync::Arc::new(bluetick::domain::clock::FixedClock::at(
            chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
        ));
    })
    .await;
    for _ in 0..15 {
        for provider in ALL {
            fixture.send(provider).await;
        }
    }
    let mut queued: Vec<String> = fixture
        .simulator
        .queued()
        .iter()
        .map(|post| format!("{} {}", post.provider, String::from_utf8_lossy(&post.body)))
        .collect();
    queued.sort();
    fixture.simulator.deliver_all().await;
    (queued, fixture.simulator.oracle())
}

#[actix_web::test]
async fn the_same_seed_gives_the_same_outcomes() {
    let first = outcomes(7).await;
    assert!(first.0.len() > 100);
    assert_eq!(first, outcomes(7).await);
    assert_ne!(first.1, outcomes(8).await.1);
}

#[actix_web::test]
async fn a_callback_url_that_does_not_answer_is_reported_once() {
    let refusing = RefusingSocket::new();
    let fixture = SimulatorFixture::with(|settings| {
        let url = format!("{}/hooks/k/secret", refusing.url());
        let targets = std::mem::take(&mut settings.targets);
        settings.targets = targets.with(ProviderId::Kaleyra, url);
    })
    .await;
    let failures = fixture.simulator.post_failures();
    for provider in ALL {
        fixture.send(provider).await;
    }
    fixture.simulator.deliver_all().await;
    let failures: Vec<String> = failures.borrow().iter().map(ToString::to_string).collect();
    let [only] = failures.as_slice() else {
        panic!("{failures:?}");
    };
    assert!(
        only.starts_with("a callback of kaleyra was not accepted: cannot be reached: "),
        "{only}"
    );
    assert!(!only.contains("secret"), "{only}");
}
