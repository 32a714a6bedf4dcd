//! Callback authentication: Basic logins, static headers, signatures over the raw body, and Meta's
//! handshake.

use bluetick::domain::provider_account::{BasicLogin, CallbackAuth, HeaderSecret, HmacSignature};
use bluetick::domain::secret::Secret;
use bluetick::providers::authenticity::{AuthenticityError, check, is_handshake, verify_challenge};

fn headers(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn basic() -> CallbackAuth {
    CallbackAuth {
        basic: ["old", "new"]
            .map(|password| BasicLogin {
                username: "hook".to_owned(),
                password: Secret::new(password),
            })
            .to_vec(),
        ..CallbackAuth::default()
    }
}

fn signed(secrets: &[&str]) -> CallbackAuth {
    CallbackAuth {
        hmac: Some(HmacSignature {
            header: "X-Hub-Signature-256".to_owned(),
            secrets: secrets.iter().map(|secret| Secret::new(*secret)).collect(),
        }),
        ..CallbackAuth::default()
    }
}

#[test]
fn without_configuration_every_callback_passes() {
    assert_eq!(check(&CallbackAuth::default(), &[], b"x"), Ok(()));
}

#[test]
fn any_listed_basic_login_passes() {
    // "hook:old", "hook:new", "hook:other"
    for (encoded, verdict) in [
        ("aG9vazpvbGQ=", Ok(())),
        ("aG9vazpuZXc=", Ok(())),
        ("aG9vazpvdGhlcg==", Err(AuthenticityError::WrongLogin)),
        ("not base64!", Err(AuthenticityError::NoLogin)),
    ] {
        let presented = headers(&[("authorization", &format!("basic {encoded}"))]);
        assert_eq!(check(&basic(), &presented, b""), verdict);
    }
    let bearer = headers(&[("authorization", "Bearer aG9vazpvbGQ=")]);
    assert_eq!(
        check(&basic(), &bearer, b""),
        Err(AuthenticityError::NoLogin)
    );
    assert_eq!(check(&basic(), &[], b""), Err(AuthenticityError::NoLogin));
}

#[test]
fn a_static_header_must_hold_the_exact_value() {
    let auth = CallbackAuth {
        header: vec![HeaderSecret {
            name: "X-Key".to_owned(),
            value: Secret::new("s3cret"),
        }],
        ..CallbackAuth::default()
    };
    let with = |value| check(&auth, &headers(&[("x-key", value)]), b"");
    assert_eq!(with("s3cret"), Ok(()));
    assert_eq!(
        with("S3cret"),
        Err(AuthenticityError::WrongHeader("X-Key".into()))
    );
    assert_eq!(
        with("s3cret "),
        Err(AuthenticityError::WrongHeader("X-Key".into()))
    );
    assert_eq!(check(&auth, &[], b""), Err(AuthenticityError::NoHeader));
}

/// RFC 4231, test case 2.
const JEFE: &str = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
const JEFE_BODY: &[u8] = b"what do ya want for nothing?";

#[test]
fn a_signature_over_the_raw_body_passes_with_any_secret() {
    let presented = headers(&[("x-hub-signature-256", JEFE)]);
    assert_eq!(check(&signed(&["Jefe"]), &presented, JEFE_BODY), Ok(()));
    assert_eq!(
        check(&signed(&["rotated", "Jefe"]), &presented, JEFE_BODY),
        Ok(())
    );
    let wrong = Err(AuthenticityError::WrongSignature(
        "X-Hub-Signature-256".into(),
    ));
    assert_eq!(
        check(&signed(&["other"]), &presented, JEFE_BODY),
        wrong.clone()
    );
    assert_eq!(check(&signed(&["Jefe"]), &presented, b"What"), wrong);
    assert_eq!(check(&signed(&[]), &presented, JEFE_BODY), wrong);
}

#[test]
fn a_missing_or_unprefixed_signature_fails() {
    assert_eq!(
        check(&signed(&["Jefe"]), &[], JEFE_BODY),
        Err(AuthenticityError::NoSignature("X-Hub-Signature-256".into()))
    );
    let bare = headers(&[("x-hub-signature-256", &JEFE["sha256=".len()..])]);
    assert!(check(&signed(&["Jefe"]), &bare, JEFE_BODY).is_err());
}

#[test]
fn every_configured_kind_must_pass() {
    let both = CallbackAuth {
        hmac: signed(&["Jefe"]).hmac,
        ..basic()
    };
    let login = ("authorization", "Basic aG9vazpvbGQ=");
    let signature = ("x-hub-signature-256", JEFE);
    assert_eq!(
        check(&both, &headers(&[login, signature]), JEFE_BODY),
        Ok(())
    );
    assert!(check(&both, &headers(&[login]), JEFE_BODY).is_err());
    assert!(check(&both, &headers(&[signature]), JEFE_BODY).is_err());
}

#[test]
fn an_error_contains_no_expected_value() {
    let auth = signed(&["Jefe"]);
    let presented = headers(&[("x-hub-signature-256", "sha256=00")]);
    let text = check(&auth, &presented, b"").unwrap_err().to_string();
    assert!(!text.contains("Jefe") && !text.contains("00") && !text.contains("sha256"));
}

#[test]
fn a_challenge_is_answered_only_with_the_right_token() {
    let token = Secret::new("a+b c");
    let query = "hub.mode=subscribe&hub.challenge=1158%3C&hub.verify_token=a%2Bb+c";
    assert!(is_handshake(query));
    assert_eq!(
        verify_challenge(query, Some(&token)).as_deref(),
        Some("1158<")
    );
    assert_eq!(verify_challenge(query, Some(&Secret::new("a"))), None);
    assert_eq!(verify_challenge(query, None), None);
    assert_eq!(verify_challenge("hub.mode=subscribe", Some(&token)), None);
    assert!(!is_handshake("hub.mode=unsubscribe&hub.challenge=1"));
}
