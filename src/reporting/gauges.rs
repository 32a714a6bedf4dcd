//! Gauges whose value is read when `/metrics` is rendered.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub(super) type LabelSet<const N: usize> = [(&'static str, String); N];
pub(super) type GaugeFamily<const N: usize> = Family<LabelSet<N>, Gauge>;

pub(super) fn register_gauge(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
