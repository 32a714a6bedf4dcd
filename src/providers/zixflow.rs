//! Zixflow.

use crate::domain::message::Outgoing;
use crate::domain::provider::{Account, Capabilities, ProviderId};
use crate::providers::{Callback, CallbackPart, HttpReply, Provider, SendStep};

/// Zixflow.
#[derive(Debug)]
pub struct Zixflow;

impl Provider for Zixflow {
    fn id(&self) -> ProviderId {
        ProviderId::Zixflow
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
