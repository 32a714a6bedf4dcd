//! The printed table: measured values beside floors and goals.

use std::fmt;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Target {
    /// Floor and goal that the value must reach.
    AtLeast(f64, f64),
    /// Floor and goal that the value must not exceed.
    AtMost(f64, f64),
    /// Shown for comparison.
    None,
}

#[derive(Clone, Debug)]
struct Row {
    what: String,
    detail: String,
    value: f64,
    target: Target,
}

#[derive(Clone, Debug, Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// `target` applies to `value`; `detail` explains it.
    pub fn add(&mut self, what: &str, value: f64, detail: impl Into<String>, target: Target) {
        let row = Row {
            what: what.to_owned(),
            detail: detail.into(),
            value,
            target,
        };
        eprintln!("  {} | {} | {}", row.what, number(row.value), row.detail);
        self.0.push(row);
    }

    pub fn find(&self, what: &str) -> Option<f64> {
        let row = self.0.iter().find(|row| row.what == what)?;
        Some(row.value)
    }

    /// Adds a row without a value.
    pub fn skip(&mut self, what: &str, why: &str) {
        self.add(what, f64::NAN, why, Target::None);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "| what | value | floor | goal | holds | how |")?;
        writeln!(out, "|---|---|---|---|---|---|")?;
        for row in &self.0 {
            let (floor, goal) = match row.target {
                Target::AtLeast(floor, goal) | Target::AtMost(floor, goal) => {
                    (number(floor), number(goal))
                }
                Target::None => ("–".to_owned(), "–".to_owned()),
            };
            let value = number(row.value);
            let holds = row.holds();
            writeln!(
                out,
                "| {} | {value} | {floor} | {goal} | {holds} | {} |",
                row.what, row.detail
            )?;
        }
        Ok(())
    }
}

impl Row {
    fn holds(&self) -> &'static str {
        let reaches = |target: f64| match self.target {
            Target::AtLeast(..) => self.value >= target,
            _ => self.value <= target,
        };
        match self.target {
            Target::None => "–",
            Target::AtLeast(_, goal) | Target::AtMost(_, goal) if reaches(goal) => "goal",
            Target::AtLeast(floor, _) | Target::AtMost(floor, _) if reaches(floor) => "floor",
            _ => "NOT",
        }
    }
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "–".to_owned()
    } else if value.abs() >= 1000.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}
