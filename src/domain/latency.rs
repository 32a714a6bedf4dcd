//! Latency histograms with logarithmic buckets: eight per doubling, so a percentile is off by at
//! most an eighth.

use chrono::TimeDelta;
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::delivery_state::Stage;
use crate::domain::enum_words::{UnknownWord, enum_words};
use crate::domain::float_count::as_float;

/// An interval whose length is counted.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum LatencySpan {
    /// From our acceptance of the message to `sent`.
    Sent,
    /// From our acceptance to `delivered`.
    Delivered,
    /// From our acceptance to `read`.
    Read,
    /// From the provider's acceptance to `delivered`, without the time in our queue.
    SubmittedToDelivered,
}
enum_words!(LatencySpan, "a latency span");

impl LatencySpan {
    /// The stage at which it ends, if it begins with our acceptance.
    pub fn stage_since_acceptance(self) -> Option<Stage> {
        match self {
            Self::Sent => Some(Stage::Sent),
            Self::Delivered => Some(Stage::Delivered),
            Self::Read => Some(Stage::Read),
            Self::SubmittedToDelivered => None,
        }
    }
}

const BUCKETS_PER_DOUBLING: u64 = 8;
/// The number of the longest duration's bucket.
const LAST_BUCKET: i64 = 64 * 8 - 1;

/// A histogram bucket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LatencyBucket(i64);

impl LatencyBucket {
    /// The bucket of a duration. A negative one (the provider's clock is behind ours) counts as
    /// zero.
    pub fn of(time: TimeDelta) -> Self {
        let millis = u64::try_from(time.num_milliseconds()).unwrap_or(0).max(1);
        let doublings = u64::from(millis.ilog2());
        // `millis` lies in 2^doublings .. 2^(doublings + 1); which eighth of that range is it in?
        let step = ((u128::from(millis) * u128::from(BUCKETS_PER_DOUBLING)) >> doublings)
            % u128::from(BUCKETS_PER_DOUBLING);
        let number = u128::from(doublings * BUCKETS_PER_DOUBLING) + step;
        Self(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// A number outside the range becomes the nearest valid one.
    pub fn from_number(number: i64) -> Self {
        Self(number.clamp(0, LAST_BUCKET))
    }

    /// The number stored in the database.
    pub fn number(self) -> i64 {
        self.0
    }

    /// The lower bound in milliseconds, inclusive.
    fn start(self) -> f64 {
        let number = i32::try_from(self.0).unwrap_or(i32::MAX).max(0);
        let (doublings, step) = (number / 8, number % 8);
        2_f64.powi(doublings) * f64::from(8 + step) / 8.0
    }
}

/// Message counts, indexed by bucket number, up to the highest bucket that was added to.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Vec<i64>);

impl Histogram {
    pub fn add(&mut self, bucket: LatencyBucket, messages: i64) {
        let index = usize::try_from(bucket.0).unwrap_or_default();
        if index >= self.0.len() {
            self.0.resize(index + 1, 0);
        }
        if let Some(counted) = self.0.get_mut(index) {
            *counted += messages;
        }
    }

    pub fn add_all(&mut self, other: &Self) {
        for (bucket, messages) in other.buckets() {
            self.add(bucket, messages);
        }
    }

    /// The buckets with messages, in order.
    pub fn buckets(&self) -> impl Iterator<Item = (LatencyBucket, i64)> {
        let numbered = (0..).map(LatencyBucket).zip(self.0.iter().copied());
        numbered.filter(|(_, messages)| *messages != 0)
    }

    pub fn is_empty(&self) -> bool {
        self.buckets().next().is_none()
    }

    pub fn count(&self) -> i64 {
        self.0.iter().sum()
    }

    /// A percentile in milliseconds; absent for an empty histogram.
    pub fn percentile(&self, percent: u32) -> Option<f64> {
        let wanted = as_float(self.count()) * f64::from(percent) / 100.0;
        let mut below = 0;
        for (bucket, messages) in self.buckets().filter(|(_, messages)| *messages > 0) {
            let within = (wanted - as_float(below)) / as_float(messages);
            if within <= 1.0 {
                let next = LatencyBucket(bucket.0 + 1);
                return Some(bucket.start() + (next.start() - bucket.start()) * within);
            }
            below += messages;
        }
        None
    }
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.buckets().eq(other.buckets())
    }
}

impl Eq for Histogram {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket(millis: i64) -> LatencyBucket {
        LatencyBucket::of(TimeDelta::milliseconds(millis))
    }

    #[test]
    fn zero_and_negative_durations_use_the_first_bucket() {
        for millis in [i64::MIN / 1000, -5, 0, 1] {
            assert_eq!(bucket(millis).number(), 0, "{millis}");
        }
    }

    #[test]
    fn percentiles_are_within_an_eighth() {
        let mut times = Histogram::default();
        times.add(bucket(1000), 90);
        times.add(bucket(60_000), 9);
        times.add(bucket(3_600_000), 1);
        let near = |percent, millis: f64| {
            let found = times.percentile(percent).unwrap();
            assert!((found / millis - 1.0).abs() < 0.125, "{percent}: {found}");
        };
        near(50, 1000.0);
        near(95, 60_000.0);
        near(100, 3_600_000.0);
        assert_eq!(times.count(), 100);
        assert_eq!(Histogram::default().percentile(50), None);
    }

    proptest! {
        #[test]
        fn a_bucket_contains_its_duration_and_is_narrow(millis in 1_i64..100_000_000_000) {
            let here = bucket(millis);
            let next = LatencyBucket(here.0 + 1);
            let time = as_float(millis);
            prop_assert!(here.start() <= time && time < next.start());
            prop_assert!(next.start() / here.start() <= 1.1251);
        }

        #[test]
        fn longer_durations_never_use_lower_buckets(a in 0_i64..1_000_000_000, b in 0_i64..1_000_000_000) {
            prop_assert_eq!(a.min(b).cmp(&a.max(b)).is_le(), bucket(a.min(b)) <= bucket(a.max(b)));
        }
    }
}
