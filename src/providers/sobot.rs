//! Sobot.

use crate::domain::message::Outgoing;
use crate::domain::provider::{Account, Capabilities, ProviderId};
use crate::providers::{Callback, CallbackPart, HttpReply, Provider, SendStep};

/// Sobot.
#[derive(Debug)]
pub struct Sobot;

impl Provider for Sobot {
    fn id(&self) -> ProviderId {
        ProviderId::Sobot
    }

    fn capabilities(&self) -> &'static Capabilities {
        unimplemented!()
    }

    fn send(&self, _account: &Account, _message: &Outgoing, _replies: &[HttpReply]) -> SendStep {
        unimplemented!()
    }

    fn read_callback(&self, _callback: &Callback) -> Vec<CallbackPart> {
        unimplemented!()
    }

    fn setup(&self) -> &'static [&'static str] {
        &[]
    }
}
