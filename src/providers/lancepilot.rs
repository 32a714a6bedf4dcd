//! LancePilot.

use crate::domain::message::Outgoing;
use crate::domain::provider::{Account, Capabilities, ProviderId};
use crate::providers::{Callback, CallbackPart, HttpReply, Provider, SendStep};

/// LancePilot.
#[derive(Debug)]
pub struct LancePilot;

impl Provider for LancePilot {
    fn id(&self) -> ProviderId {
        ProviderId::LancePilot
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
