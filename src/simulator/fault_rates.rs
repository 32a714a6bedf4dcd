//! The faults that the simulator can inject, and their probabilities.

/// Probability of each fault, from 0 (off) to 1 (always).
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct FaultRates {
    /// A callback is posted two to four times.
    pub duplicate: f64,
    /// The callbacks of a message arrive in random order.
    pub reorder: f64,
    /// A callback arrives much later.
    pub delay: f64,
    /// A callback is never posted.
    pub drop: f64,
    /// Neighbouring callbacks of a message are sent as one.
    pub batch: f64,
    /// A callback body is truncated and corrupted.
    pub corrupt: f64,
    /// The first callback arrives before the reply to the send request.
    pub callback_before_reply: f64,
    /// A timestamp is wrong by hours or decades.
    pub skewed_clocks: f64,
    pub missing_timestamps: f64,
    /// An additional unknown status word is reported.
    pub unknown_words: f64,
    /// A delivered message is reported as failed afterwards.
    pub failed_after_delivered: f64,
    /// A failed message is reported as delivered afterwards.
    pub delivered_after_failed: f64,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a fault; use {all}, or `all`", all = FAULTS.map(|(name, _)| name).join(", "))]
pub struct UnknownFault(pub String);

pub(crate) type Fault = (&'static str, fn(&mut FaultRates) -> (&mut f64, f64));

/// Every fault by name, with its probability when it is enabled.
pub(crate) const FAULTS: [Fault; 12] = [
    ("duplicate", |rates| (&mut rates.duplicate, 0.3)),
    ("reorder", |rates| (&mut rates.reorder, 0.5)),
    ("delay", |rates| (&mut rates.delay, 0.2)),
    ("drop", |rates| (&mut rates.drop, 0.1)),
    ("batch", |rates| (&mut rates.batch, 0.3)),
    ("corrupt", |rates| (&mut rates.corrupt, 0.05)),
    ("orphan-first", |rates| {
        (&mut rates.callback_before_reply, 0.2)
    }),
    ("skewed-clocks", |rates| (&mut rates.skewed_clocks, 0.2)),
    ("missing-timestamps", |rates| {
        (&mut rates.missing_timestamps, 0.2)
    }),
    ("unknown-words", |rates| (&mut rates.unknown_words, 0.1)),
    ("failed-after-delivered", |rates| {
        (&mut rates.failed_after_delivered, 0.1)
    }),
    ("delivered-after-failed", |rates| {
        (&mut rates.delivered_after_failed, 0.3)
    }),
];

impl FaultRates {
    pub fn none() -> Self {
        Self::default()
    }

    /// Every fault, with its usual probability.
    pub fn all() -> Self {
        let mut rates = Self::none();
        for (_, fault) in FAULTS {
            let (share, usual) = fault(&mut rates);
            *share = usual;
        }
        rates
    }

    /// Enables one fault by name, or every fault with `all`.
    pub fn enable(&mut self, name: &str) -> Result<(), UnknownFault> {
        if name == "all" {
            *self = Self::all();
            return Ok(());
        }
        let (_, fault) = FAULTS
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| UnknownFault(name.to_owned()))?;
        let (share, usual) = fault(self);
        *share = usual;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_enabled_by_name() {
        let mut rates = FaultRates::none();
        rates.enable("reorder").unwrap();
        assert!(rates.reorder > 0.0 && rates.drop == 0.0);
        rates.enable("all").unwrap();
        assert_eq!(rates, FaultRates::all());
        assert_eq!(rates.enable("havoc"), Err(UnknownFault("havoc".to_owned())));
    }
}
