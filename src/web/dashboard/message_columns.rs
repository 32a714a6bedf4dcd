//! The columns of the list of messages that a viewer can choose.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::enum_words::{UnknownWord, enum_words};

#[derive(Clone, Copy, PartialEq, Eq, Debug, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", parse_err_ty = UnknownWord, parse_err_fn = Self::unknown)]
pub enum MessageColumn {
    Reference,
    Kind,
    Sender,
    Account,
    Campaign,
    /// Why it failed or waits.
    Detail,
    Created,
    Changed,
}
enum_words!(MessageColumn, "a column");

/// For viewers who have chosen no columns; `Campaign` only if a message on the page has one.
const DEFAULT_COLUMNS: [MessageColumn; 6] = [
    MessageColumn::Reference,
    MessageColumn::Account,
    MessageColumn::Campaign,
    MessageColumn::Detail,
    MessageColumn::Created,
    MessageColumn::Changed,
];

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ShownColumns(Vec<MessageColumn>);

impl ShownColumns {
    /// The default columns if none is chosen.
    pub(super) fn of(chosen: &[MessageColumn], has_campaigns: bool) -> Self {
        if chosen.is_empty() {
            let columns = DEFAULT_COLUMNS.into_iter();
            Self(
                columns
                    .filter(|column| has_campaigns || *column != MessageColumn::Campaign)
                    .collect(),
            )
        } else {
            Self(chosen.to_vec())
        }
    }

    /// More than by default, so that each gets less room.
    pub(super) fn are_many(&self) -> bool {
        self.0.len() > DEFAULT_COLUMNS.len()
    }

    /// By the name of the column in the URL.
    pub(super) fn has(&self, word: &str) -> bool {
        self.0.iter().any(|column| column.as_str() == word)
    }

    /// Each column with its title, and whether it is shown.
    pub(super) fn choices(&self) -> Vec<(&'static str, &'static str, bool)> {
        let choice = |column: MessageColumn| {
            let title = match column {
                MessageColumn::Reference => "Reference",
                MessageColumn::Kind => "Kind",
                MessageColumn::Sender => "Sender",
                MessageColumn::Account => "Account",
                MessageColumn::Campaign => "Campaign",
                MessageColumn::Detail => "Detail",
                MessageColumn::Created => "Created",
                MessageColumn::Changed => "Changed",
            };
            (column.as_str(), title, self.0.contains(&column))
        };
        MessageColumn::ALL.map(choice).to_vec()
    }
}
