//! Counts as floating-point numbers, for shares and percentiles.

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of messages stay far below 2^52"
)]
pub fn as_float(count: i64) -> f64 {
    count as f64
}
