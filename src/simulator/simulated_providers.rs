//! The simulated provider for each provider id.

use crate::domain::provider::ProviderId;
use crate::simulator::simulated_provider::SimulatedProvider;
use crate::simulator::{kaleyra, lancepilot, sobot, zixflow};

pub(crate) fn get(provider: ProviderId) -> &'static dyn SimulatedProvider {
    match provider {
        ProviderId::Sobot => &sobot::SimulatedSobot,
        ProviderId::Kaleyra => &kaleyra::SimulatedKaleyra,
        ProviderId::Zixflow => &zixflow::SimulatedZixflow,
        ProviderId::LancePilot => &lancepilot::SimulatedLancePilot,
    }
}
