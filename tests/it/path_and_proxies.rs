//! Behind a proxy: a path in `public_url`, and the client's address from trusted proxies.

use std::fs;
use std::path::PathBuf;

use bluetick::http_client;
use reqwest::{Client, Response, redirect};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::addresses::free_address;
use crate::harness::program::{Program, command, run_to_end};

/// A program on SQLite with this configuration.
struct Installation {
    folder: TempDir,
    address: String,
    program: Program,
    client: Client,
}

impl Installation {
    fn start(settings: impl Fn(&str) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address().to_string();
        let data = folder.path().join("data");
        let text = format!(
            "listen = \"{address}\"\ndata_dir = \"{}\"\n{}\n[[accounts]]\nid = \"sobot-main\"\nprovider = \"sobot\"\napi_key = \"k\"\napi_secret = \"s\"\n",
            data.display(),
            settings(&address)
        );
        let file = folder.path().join("bluetick.toml");
        fs::write(&file, text).unwrap();
        let serve = command(&["--config", file.to_str().unwrap(), "serve"], &[]);
        let program = Program::start(serve, &folder.path().join("log"));
        let client = http_client::builder()
            .redirect(redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            folder,
            address,
            program,
            client,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> String {
        let file = self.file("bluetick.toml");
        let arguments = [&["--config", file.to_str().unwrap()], arguments].concat();
        let output = run_to_end(command(&arguments, &[]));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.client
            .get(format!("http://{}{path}", self.address))
            .send()
            .await
            .unwrap()
    }
}

fn location(response: &Response) -> &str {
    response.headers()["location"].to_str().unwrap()
}

#[actix_web::test]
async fn pages_forms_styles_and_redirects_begin_with_the_path_of_the_public_url() {
    let installation =
        Installation::start(|address| format!("public_url = \"http://{address}/wa/hooks\""));
    let link = fs::read_to_string(installation.file("data/sign-in-link")).unwrap();
    let path = link.trim().split_once(&installation.address).unwrap().1;
    assert!(path.starts_with("/wa/hooks/login?token="), "{path}");
    // As a proxy passes it on that strips the path, and one that does not.
    for prefix in ["", "/wa/hooks"] {
        let refused = installation.get(&format!("{prefix}/messages")).await;
        assert_eq!(refused.status(), 303);
        assert!(
            location(&refused).starts_with("/wa/hooks/login?next="),
            "{}",
            location(&refused)
        );
        let page = installation
            .get(&format!("{prefix}/login"))
            .await
            .text()
            .await
            .unwrap();
        assert!(page.contains("href=\"/wa/hooks/static/app.css"), "{page}");
        assert!(
            !page.contains("=\"/static") && !page.contains("=\"/login"),
            "{page}"
        );
        let style = installation.get(&format!("{prefix}/static/app.css")).await;
        assert_eq!(style.status(), 200);
        assert_eq!(
            installation
                .get(&format!("{prefix}/healthz"))
                .await
                .status(),
            200
        );
    }
    let shown = installation.get(path).await.text().await.unwrap();
    assert!(shown.contains("action=\"/wa/hooks/login\""), "{shown}");
    let token = path.split("token=").nth(1).unwrap();
    let url = format!("http://{}/wa/hooks/login", installation.address);
    let signed_in = installation
        .client
        .post(url)
        .body(format!("token={token}"))
        .send()
        .await
        .unwrap();
    assert_eq!(signed_in.status(), 303);
    assert_eq!(location(&signed_in), "/wa/hooks/");
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let url = format!("http://{}/wa/hooks/", installation.address);
    let overview = installation
        .client
        .get(url)
        .header("Cookie", cookie)
        .send()
        .await
        .unwrap();
    let overview = overview.text().await.unwrap();
    assert!(
        overview.contains("href=\"/wa/hooks/messages\""),
        "{overview}"
    );
    assert!(installation.program.terminate().0.success());
}

#[actix_web::test]
async fn refused_requests_show_the_client_that_a_trusted_proxy_names() {
    for (setting, expected) in [
        ("trusted_proxies = [\"127.0.0.1\"]", "203.0.113.7"),
        ("", "127.0.0.1"),
    ] {
        let installation = Installation::start(|_| setting.to_owned());
        let url = format!("http://{}/callbacks/sobot-main/wrong", installation.address);
        let request = installation.client.post(url).body("{}");
        let request = request.header("X-Forwarded-For", "1.1.1.1, 203.0.113.7");
        assert_eq!(request.send().await.unwrap().status(), 404);
        let token = installation.run(&["token", "create", "--name", "t", "--scopes", "admin"]);
        let token = token
            .split_whitespace()
            .find(|word| word.starts_with("bt_"))
            .unwrap();
        let url = format!("http://{}/api/v1/rejections", installation.address);
        let list = installation
            .client
            .get(url)
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        let list: Value = list.json().await.unwrap();
        assert_eq!(list["data"][0]["address"], expected, "{list}");
        assert!(installation.program.terminate().0.success());
    }
}
