//! Media files that WhatsApp would refuse minutes later, and those that it would not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bluetick::domain::media::MediaKind;
use bluetick::domain::media_rules::{MediaFinding, MediaRule};
use bluetick::domain::provider::ProviderId;
use bluetick::http_client::address_rules::AddressRules;
use bluetick::http_client::guarded_fetch::GuardedClient;
use bluetick::sending::media_check::{MediaChecker, MediaPurpose, check_file};
use tempfile::TempDir;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::harness::addresses::RefusingSocket;

use MediaRule::{
    AudioCodec, AudioTracks, BitDepth, Checked, Colour, Complete, ContentType, Extension,
    HttpStatus, PublicHost, Reachable, Readable, Size, Type, VideoCodec,
};

/// Each file with the rules that it breaks, and a word of the reason.
const FILES: &[(&str, &[(MediaRule, &str)])] = &[
    ("baseline.jpg", &[]),
    ("progressive.jpg", &[]),
    ("preview.jpg", &[]),
    ("rgb.png", &[]),
    ("rgba.png", &[]),
    ("h264_aac.mp4", &[]),
    ("h264_silent.mp4", &[]),
    ("h264_aac.3gp", &[]),
    ("fragmented.mp4", &[]),
    ("index_first.mp4", &[]),
    ("grey.jpg", &[(Colour, "grey")]),
    ("cmyk.jpg", &[(Colour, "CMYK")]),
    ("twelve_bits.jpg", &[(BitDepth, "12 bits")]),
    ("truncated.jpg", &[(Complete, "end of the JPEG")]),
    (
        "truncated_with_preview.jpg",
        &[(Complete, "end of the JPEG")],
    ),
    ("header_only.jpg", &[(Complete, "end of the JPEG")]),
    ("sixteen_bits.png", &[(BitDepth, "16 bits")]),
    ("palette.png", &[(Colour, "palette")]),
    ("grey.png", &[(Colour, "grey")]),
    ("one_bit.png", &[(BitDepth, "1 bits"), (Colour, "grey")]),
    ("truncated.png", &[(Complete, "end of the PNG")]),
    ("damaged.png", &[(Readable, "cannot be parsed")]),
    ("png_named.jpg", &[(Extension, "content is image/png")]),
    (
        "webp_named.jpg",
        &[(Type, "content is image/webp"), (Extension, "image/webp")],
    ),
    ("animation.gif", &[(Type, "content is image/gif")]),
    ("empty.jpg", &[(Size, "empty")]),
    (
        "error_page.jpg",
        &[(Type, "content is text/html"), (Extension, "text/html")],
    ),
    ("noise.jpg", &[(Type, "is not known")]),
    ("video_named.jpg", &[(Extension, "content is video/mp4")]),
    ("h265.mp4", &[(VideoCodec, "H.265")]),
    ("av1.mp4", &[(VideoCodec, "AV1")]),
    ("vp9.mp4", &[(VideoCodec, "VP9")]),
    ("mpeg4_part_2.mp4", &[(VideoCodec, "MPEG-4 part 2")]),
    ("h263.3gp", &[(VideoCodec, "H.263")]),
    ("two_audio_tracks.mp4", &[(AudioTracks, "2 audio tracks")]),
    ("mp3.mp4", &[(AudioCodec, "MP3")]),
    ("opus.mp4", &[(AudioCodec, "Opus")]),
    ("audio_only.mp4", &[(VideoCodec, "no video track")]),
    ("quicktime.mov", &[(Type, "content is video/quicktime")]),
    ("matroska.webm", &[(Type, "content is video/webm")]),
    ("cut_in_the_data.mp4", &[(Complete, "200 bytes of the box")]),
    ("cut_before_the_index.mp4", &[(Complete, "moov")]),
    ("cut_in_the_index.mp4", &[(Complete, "moov")]),
];

const ANY: MediaPurpose<'_> = MediaPurpose {
    kind: None,
    mime_type: None,
    provider: None,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media")
}

fn rules(findings: &[MediaFinding]) -> Vec<MediaRule> {
    findings.iter().map(|finding| finding.rule).collect()
}

fn checker(scratch: &TempDir) -> MediaChecker {
    let rules = AddressRules::new(vec!["127.0.0.1/32".parse().unwrap()]);
    let client = GuardedClient::new(rules).unwrap();
    MediaChecker::new(client, scratch.path().to_owned())
}

#[actix_web::test]
async fn every_sample_is_judged_with_its_reason() {
    let mut files: BTreeMap<String, PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    let mut wrong = Vec::new();
    for (name, expected) in FILES {
        let path = files
            .remove(*name)
            .unwrap_or_else(|| panic!("{name} is missing"));
        let found = check_file(&path, Some(name), ANY).await.unwrap();
        let as_expected = found.len() == expected.len()
            && found.iter().zip(*expected).all(|(finding, (rule, word))| {
                finding.rule == *rule && finding.message.contains(word)
            });
        if !as_expected {
            wrong.push(format!("{name}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(files.is_empty(), "without a row: {files:?}");
}

#[actix_web::test]
async fn the_size_limit_is_that_of_the_provider() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("large.jpg");
    let mut content = fs::read(folder().join("baseline.jpg")).unwrap();
    for (size, expected) in [(5 * 1024 * 1024, vec![]), (5 * 1024 * 1024 + 1, vec![Size])] {
        content.resize(size, 0);
        fs::write(&path, &content).unwrap();
        for provider in ProviderId::ALL {
            let purpose = MediaPurpose {
                provider: Some(provider),
                ..ANY
            };
            let found = check_file(&path, Some("large.jpg"), purpose).await.unwrap();
            assert_eq!(rules(&found), expected, "{found:?}");
            assert!(
                found
                    .iter()
                    .all(|finding| finding.message.contains(provider.title()))
            );
        }
    }
}

#[actix_web::test]
async fn the_kind_and_type_of_the_message_count() {
    let path = folder().join("h264_silent.mp4");
    let as_image = MediaPurpose {
        kind: Some(MediaKind::Image),
        ..ANY
    };
    assert_eq!(
        rules(&check_file(&path, None, as_image).await.unwrap()),
        [Type]
    );
    let as_3gp = MediaPurpose {
        mime_type: Some("video/3gp"),
        ..ANY
    };
    assert_eq!(
        rules(&check_file(&path, None, as_3gp).await.unwrap()),
        [Type]
    );
    let path = folder().join("h264_aac.3gp");
    assert_eq!(rules(&check_file(&path, None, as_3gp).await.unwrap()), []);
}

async fn serve(server: &MockServer, at: &str, file: &str, content_type: &str) {
    let content = fs::read(folder().join(file)).unwrap();
    let reply = ResponseTemplate::new(200).set_body_raw(content, content_type);
    let mock = Mock::given(method("GET")).and(path(at)).respond_with(reply);
    mock.mount(server).await;
}

#[actix_web::test]
async fn the_answer_of_the_host_counts() {
    let scratch = tempfile::tempdir().unwrap();
    let checker = checker(&scratch);
    let server = MockServer::start().await;
    serve(&server, "/good.jpg", "baseline.jpg", "image/jpeg").await;
    serve(&server, "/upper.JPG", "baseline.jpg", "IMAGE/JPEG").await;
    serve(&server, "/page.jpg", "baseline.jpg", "text/html").await;
    serve(
        &server,
        "/bytes.jpg",
        "baseline.jpg",
        "application/octet-stream",
    )
    .await;
    serve(
        &server,
        "/codecs.mp4",
        "h264_aac.mp4",
        "video/mp4;codecs=avc1",
    )
    .await;
    serve(&server, "/none", "h264_aac.mp4", "video/mp4").await;
    let gone = Mock::given(method("GET")).and(path("/gone.jpg"));
    gone.respond_with(ResponseTemplate::new(404))
        .mount(&server)
        .await;
    let moved = ResponseTemplate::new(302).insert_header("location", "/good.jpg");
    let moving = Mock::given(method("GET")).and(path("/moved.jpg"));
    moving.respond_with(moved).mount(&server).await;
    let inside = ResponseTemplate::new(302).insert_header("location", "http://10.0.0.1/a.jpg");
    let leading = Mock::given(method("GET")).and(path("/inside.jpg"));
    leading.respond_with(inside).mount(&server).await;
    let circle = ResponseTemplate::new(302).insert_header("location", "/circle.jpg");
    let turning = Mock::given(method("GET")).and(path("/circle.jpg"));
    turning.respond_with(circle).mount(&server).await;
    for (at, expected) in [
        ("/good.jpg", vec![]),
        ("/upper.JPG", vec![]),
        ("/none", vec![]),
        ("/moved.jpg", vec![]),
        ("/page.jpg", vec![ContentType]),
        ("/bytes.jpg", vec![ContentType]),
        ("/codecs.mp4", vec![ContentType]),
        ("/gone.jpg", vec![HttpStatus]),
        ("/inside.jpg", vec![PublicHost]),
        ("/circle.jpg", vec![HttpStatus]),
    ] {
        let url = format!("{}{at}", server.uri());
        let found = checker.check_url(&url, ANY, Duration::from_secs(10)).await;
        assert_eq!(rules(&found), expected, "{at}: {found:?}");
    }
    assert!(fs::read_dir(scratch.path()).unwrap().next().is_none());
}

#[actix_web::test]
async fn a_url_is_fetched_once_for_many_messages() {
    let scratch = tempfile::tempdir().unwrap();
    let checker = checker(&scratch);
    let server = MockServer::start().await;
    serve(&server, "/a.jpg", "baseline.jpg", "image/jpeg").await;
    let url = format!("{}/a.jpg", server.uri());
    let checks = (0..50).map(|_| checker.check_url(&url, ANY, Duration::from_secs(10)));
    for found in futures_util::future::join_all(checks).await {
        assert_eq!(found, []);
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[actix_web::test]
async fn a_host_that_does_not_answer_delays_no_other_check() {
    let scratch = tempfile::tempdir().unwrap();
    let checker = checker(&scratch);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a.jpg", silent.local_addr().unwrap());
    // More URLs than checks may wait: none is begun beyond that, and none waits longer.
    let urls: Vec<String> = (0..300).map(|n| format!("{url}?{n}")).collect();
    let checks = urls
        .iter()
        .map(|url| checker.check_url(url, ANY, Duration::from_millis(50)));
    let found = futures_util::future::join_all(checks).await;
    assert!(found.iter().all(|found| rules(found) == [Checked]));
    let refused = |found: &&Vec<MediaFinding>| found[0].message.contains("too many checks");
    assert!(found.iter().filter(refused).count() >= 40);
    // The host is known to be slow, so that the next message is not delayed.
    let started = std::time::Instant::now();
    let found = checker.check_url(&url, ANY, Duration::from_mins(1)).await;
    assert_eq!(rules(&found), [Checked]);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[actix_web::test]
async fn a_host_that_is_down_is_asked_once() {
    let scratch = tempfile::tempdir().unwrap();
    let checker = checker(&scratch);
    let refusing = RefusingSocket::new();
    for name in ["a", "b"] {
        let url = format!("{}/{name}.jpg", refusing.url());
        let found = checker.check_url(&url, ANY, Duration::from_secs(10)).await;
        assert_eq!(rules(&found), [Reachable], "{found:?}");
    }
    let found = checker
        .check_url("http://[::1]/a.jpg", ANY, Duration::from_secs(10))
        .await;
    assert_eq!(rules(&found), [PublicHost]);
}
