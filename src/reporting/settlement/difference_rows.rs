//! Differences as rows of text: for tables and CSV.

use crate::reporting::export::escape_formula;
use crate::reporting::settlement::comparison::{Comparison, Difference, DifferenceKind};

pub const COLUMN_NAMES: [&str; 7] = [
    "difference",
    "line",
    "their_id",
    "our_id",
    "number",
    "ours",
    "theirs",
];

pub fn difference_cells(difference: &Difference) -> [String; COLUMN_NAMES.len()] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        difference.kind.as_str().to_owned(),
        difference
            .line
            .map_or_else(String::new, |line| line.to_string()),
        text(&difference.their_id),
        difference
            .our_id
            .map_or_else(String::new, |id| id.to_string()),
        text(&difference.recipient),
        difference.ours.clone(),
        difference.theirs.clone(),
    ]
}

pub fn csv_bytes<'a>(
    differences: impl IntoIterator<Item = &'a Difference>,
) -> Result<Vec<u8>, csv::Error> {
    let mut bytes = Vec::new();
    let mut writer = csv::Writer::from_writer(&mut bytes);
    writer.write_record(COLUMN_NAMES)?;
    for difference in differences {
        let cells = difference_cells(difference);
        let cells = cells.each_ref().map(|cell| escape_formula(cell));
        writer.write_record(cells.iter().map(|cell| cell.as_bytes()))?;
    }
    writer.flush()?;
    drop(writer);
    Ok(bytes)
}

impl Comparison {
    /// The number of differences of each kind that occurs.
    pub fn counts(&self) -> Vec<(DifferenceKind, usize)> {
        DifferenceKind::ALL
            .into_iter()
            .filter_map(|kind| {
                let of_kind = self.differences.iter().filter(|it| it.kind == kind);
                let number = of_kind.count();
                (number > 0).then_some((kind, number))
            })
            .collect()
    }
}
