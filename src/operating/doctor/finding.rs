//! One detected problem, and how to fix it.

use serde::Serialize;
use strum::{IntoStaticStr, VariantArray};

use crate::domain::enum_words::enum_words;

#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, IntoStaticStr, VariantArray, Serialize,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something does not work, or data will be lost.
    Problem,
    /// It works, but probably not as intended.
    Warning,
}
enum_words!(Level);

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// A stable identifier for scripts.
    pub check: &'static str,
    pub level: Level,
    pub summary: String,
    /// A command, a setting, or what to do outside this program.
    pub fix: String,
}

impl Finding {
    pub(super) fn problem(
        check: &'static str,
        summary: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            check,
            level: Level::Problem,
            summary: summary.into(),
            fix: fix.into(),
        }
    }

    pub(super) fn warning(
        check: &'static str,
        summary: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Warning,
            ..Self::problem(check, summary, fix)
        }
    }
}
