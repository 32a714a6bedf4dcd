//! `/accounts/check`: checks whether providers can reach the public URL, and shows the findings.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::http_client::url_check_client::UrlCheckClient;
use crate::operating::doctor::{Finding, Level, PublicUrl, check_public_url};
use crate::services::Services;
use crate::store::url_check_records::UrlCheckRecord;
use crate::web::dashboard::marked_sentence::{SentencePart, SentenceParts, split_sentence};
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, respond};
use crate::web::dashboard::visible_text::{sentence, visible_line};
use crate::web::error::ApiError;

#[derive(Template, Clone, Debug)]
#[template(path = "url_check.html")]
pub struct UrlCheckPage {
    pub(super) frame: Frame,
    public_url: String,
    findings: Vec<FindingRow>,
}

#[derive(Clone, Debug)]
struct FindingRow {
    tone: &'static str,
    level: &'static str,
    summary: SentenceParts,
    fix: SentenceParts,
}

pub(crate) async fn run(services: web::Data<Services>) -> Result<HttpResponse, ApiError> {
    let config = &services.config;
    let token = services.keys.url_check_token();
    let target = PublicUrl::new(config, token);
    let client = UrlCheckClient::new().map_err(|error| ApiError::Internal(error.into()))?;
    let now = services.clock.now();
    let findings = check_public_url(&client, &target, now).await;
    let problems = findings
        .iter()
        .filter(|finding| finding.level == Level::Problem);
    let record = UrlCheckRecord {
        public_url: config.public_url.clone(),
        at: now,
        problems: problems.count(),
    };
    services.store.record_url_check(&record).await?;
    respond(&services, UrlCheckPage::new(&config.public_url, &findings)).await
}

impl UrlCheckPage {
    pub fn new(public_url: &str, findings: &[Finding]) -> Self {
        let rows = findings.iter().map(|finding| FindingRow {
            tone: match finding.level {
                Level::Problem => "bad",
                Level::Warning => "warn",
            },
            level: match finding.level {
                Level::Problem => "Problem",
                Level::Warning => "Warning",
            },
            // Parts of it come from whatever answered at the URL.
            summary: split_sentence(&sentence(&visible_line(&finding.summary)), &[]),
            fix: split_sentence(&sentence(&finding.fix), &[]),
        });
        Self {
            frame: Frame::in_section(NavigationSection::Accounts, "URL check", Refresh::Never),
            public_url: public_url.to_owned(),
            findings: rows.collect(),
        }
    }
}

impl FramedPage for UrlCheckPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
