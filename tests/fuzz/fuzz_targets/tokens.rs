//! Tokens of callback and report URLs: only issued tokens are accepted.
#![no_main]

use std::sync::LazyLock;

use bluetick_fuzz::domain::ids::{AccountId, MessageId};
use bluetick_fuzz::domain::secret::Secret;
use bluetick_fuzz::keys::Keys;

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let previous = [Secret::new("p".repeat(32))];
    Keys::derive(&Secret::new("s".repeat(32)), &previous)
});

libfuzzer_sys::fuzz_target!(|input: &str| {
    let known: AccountId = "kaleyra-in".parse().expect("a slug");
    let verified = KEYS.verify_callback_token(&known, 2, &[], input);
    let issued = [1, 2].map(|generation| KEYS.callback_token(&known, generation));
    assert_eq!(
        verified.is_some(),
        issued.iter().any(|token| token == input)
    );

    if let Some((account, message)) = KEYS.verify_report_token(input) {
        assert_eq!(KEYS.report_token(&account, message), input);
    }
    let Ok(account) = input.parse::<AccountId>() else {
        return;
    };
    let message: MessageId = "019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f"
        .parse()
        .expect("an id");
    let token = KEYS.report_token(&account, message);
    let verified = KEYS.verify_report_token(&token);
    assert_eq!(verified, Some((account.clone(), message)));
    let mut broken = token.clone();
    let last = if broken.pop() == Some('A') { 'B' } else { 'A' };
    broken.push(last);
    assert_eq!(KEYS.verify_report_token(&broken), None);
    assert!(
        KEYS.verify_callback_token(&account, 2, &[2], &token)
            .is_none()
    );
});
