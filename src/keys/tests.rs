//! Tokens and derived keys.

use proptest::prelude::*;

use super::*;

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ .é";

fn secret(letter: &str) -> Secret {
    Secret::new(letter.repeat(32))
}

fn keys() -> Keys {
    Keys::derive(&secret("a"), &[])
}

fn account(text: &str) -> AccountId {
    text.parse().unwrap()
}

fn message() -> MessageId {
    "019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f".parse().unwrap()
}

#[test]
fn a_callback_token_is_valid_for_its_own_account_only() {
    let token = keys().callback_token(&account("k"), 1);
    assert_eq!(token.len(), 43);
    let found = keys().verify_callback_token(&account("k"), 1, &[], &token);
    let current = CallbackUrl {
        generation: 1,
        age: UrlAge::Current,
    };
    assert_eq!(found, Some(current));
    assert_eq!(
        keys().verify_callback_token(&account("k2"), 1, &[], &token),
        None
    );
    // The separator distinguishes `k` + generation 11 from `k1` + generation 1.
    let other = keys().callback_token(&account("k1"), 1);
    assert_ne!(other, keys().callback_token(&account("k"), 11));
    let elsewhere = Keys::derive(&secret("b"), &[]);
    assert_eq!(
        elsewhere.verify_callback_token(&account("k"), 1, &[], &token),
        None
    );
}

#[test]
fn the_previous_generation_works_until_it_is_retired() {
    let keys = keys();
    let verify = |generation: u32, current: u32, retired: &[u32]| {
        let token = keys.callback_token(&account("k"), generation);
        keys.verify_callback_token(&account("k"), current, retired, &token)
            .map(|url| (url.generation, url.age))
    };
    assert_eq!(verify(2, 2, &[]), Some((2, UrlAge::Current)));
    assert_eq!(verify(1, 2, &[]), Some((1, UrlAge::Old)));
    assert_eq!(verify(1, 2, &[1]), None);
    assert_eq!(verify(1, 3, &[]), None);
    assert_eq!(verify(3, 2, &[]), None);
    assert_eq!(verify(0, 1, &[]), None);
}

#[test]
fn an_earlier_secret_key_still_verifies() {
    let old = Keys::derive(&secret("a"), &[]);
    let new = Keys::derive(&secret("b"), &[secret("a")]);
    let token = old.callback_token(&account("k"), 1);
    let found = new
        .verify_callback_token(&account("k"), 1, &[], &token)
        .unwrap();
    assert_eq!(found.age, UrlAge::Old);
    let report = old.report_token(&account("k"), message());
    assert_eq!(
        new.verify_report_token(&report),
        Some((account("k"), message()))
    );
    assert_eq!(new.previous_fingerprints(), [old.fingerprint()]);
    assert_ne!(new.fingerprint(), old.fingerprint());
}

#[test]
fn each_purpose_has_a_different_key() {
    let derived = DerivedKeys::derive(&secret("a"));
    let mut all = vec![
        derived.callback.to_vec(),
        derived.report.to_vec(),
        derived.media.to_vec(),
        derived.url_check.to_vec(),
        derived.alert.to_vec(),
        derived.erased.to_vec(),
        derived.session[..32].to_vec(),
    ];
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 7);
}

#[test]
fn every_changed_character_of_a_report_token_is_rejected() {
    let keys = keys();
    // Three lengths of account id cover every number of unused bits in the last character.
    for id in ["k", "ka", "kal"] {
        let token = keys.report_token(&account(id), message());
        assert_eq!(
            keys.verify_report_token(&token),
            Some((account(id), message()))
        );
        let characters: Vec<char> = token.chars().collect();
        for index in 0..characters.len() {
            for other in ALPHABET.chars().filter(|c| *c != characters[index]) {
                let mut changed = characters.clone();
                changed[index] = other;
                let changed: String = changed.into_iter().collect();
                assert_eq!(keys.verify_report_token(&changed), None, "{changed}");
            }
            assert_eq!(keys.verify_report_token(&token[..index]), None);
        }
        assert_eq!(keys.verify_report_token(&format!("{token}=")), None);
        assert_eq!(keys.verify_report_token(&format!("{token}A")), None);
    }
}

#[test]
fn debug_output_contains_no_keys() {
    assert_eq!(format!("{:?}", keys()), "Keys(0 previous)");
}

proptest! {
    #[test]
    fn every_report_token_verifies(id in "[a-z0-9][a-z0-9-]{0,63}", bits: u128) {
        let message = MessageId::from(Uuid::from_u128(bits));
        let token = keys().report_token(&account(&id), message);
        prop_assert_eq!(keys().verify_report_token(&token), Some((account(&id), message)));
    }

    #[test]
    fn arbitrary_text_is_not_a_token(text in ".{0,200}") {
        prop_assert_eq!(keys().verify_report_token(&text), None);
        prop_assert_eq!(keys().verify_callback_token(&account("k"), 2, &[], &text), None);
    }
}
