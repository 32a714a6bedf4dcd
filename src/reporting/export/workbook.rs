//! A workbook (XLSX) that is written row by row: its rows are in unnamed temporary files, not in
//! memory.

use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};

/// Excel's limit of rows per sheet, including the header.
const SHEET_ROWS: u32 = 1_048_576;
/// Excel's limit of characters per cell.
const CELL_LIMIT: usize = 32_767;
/// The day before Excel's first day, in days since 1970.
const EXCEL_EPOCH: i64 = -25_569;
const DAY_MILLIS: f64 = 86_400_000.0;

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Empty,
    /// Phones and ids too: Excel would round long numbers and drop a `+`.
    Text(String),
    Flag(bool),
    Count(i64),
    Amount(Decimal),
    /// Shown in its own zone.
    Time(DateTime<Tz>),
}

/// Writes rows with the same columns, and begins another sheet when one is full.
pub(super) struct SheetWriter<'a> {
    workbook: &'a mut Workbook,
    formats: Formats,
    name: String,
    columns: Vec<(String, f64)>,
    sheets: u32,
    /// The index of the current sheet in the workbook.
    index: usize,
    /// The next row of the current sheet.
    row: u32,
}

struct Formats {
    head: Format,
    time: Format,
    amount: Format,
}

/// `folder` holds the rows while the workbook is built.
pub(super) fn new_workbook(folder: &Path) -> io::Result<Workbook> {
    let mut workbook = Workbook::new();
    workbook.set_tempdir(folder).map_err(into_io)?;
    Ok(workbook)
}

impl<'a> SheetWriter<'a> {
    /// Columns have a name and a width in characters.
    pub(super) fn begin(
        workbook: &'a mut Workbook,
        name: &str,
        columns: Vec<(String, f64)>,
    ) -> io::Result<Self> {
        let mut writer = Self {
            workbook,
            formats: Formats {
                head: Format::new().set_bold(),
                time: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
                amount: Format::new().set_num_format("#,##0.00####"),
            },
            name: name.to_owned(),
            columns,
            sheets: 0,
            index: 0,
            row: SHEET_ROWS,
        };
        writer.next_sheet().map_err(into_io)?;
        Ok(writer)
    }

    pub(super) fn add(&mut self, row: impl IntoIterator<Item = Value>) -> io::Result<()> {
        if self.row == SHEET_ROWS {
            self.next_sheet().map_err(into_io)?;
        }
        let row_index = self.row;
        self.row += 1;
        let sheet = self.workbook.worksheet_from_index(self.index);
        let sheet = sheet.map_err(into_io)?;
        for (column, value) in (0..).zip(row) {
            write(sheet, row_index, column, value, &self.formats).map_err(into_io)?;
        }
        Ok(())
    }

    fn next_sheet(&mut self) -> Result<(), XlsxError> {
        self.sheets += 1;
        self.index = self.workbook.worksheets().len();
        let sheet = self.workbook.add_worksheet_with_constant_memory();
        sheet.set_name(match self.sheets {
            1 => self.name.clone(),
            number => format!("{} {number}", self.name),
        })?;
        sheet.set_freeze_panes(1, 0)?;
        for (column, (name, width)) in (0..).zip(&self.columns) {
            sheet.set_column_width(column, *width)?;
            sheet.write_string_with_format(0, column, name, &self.formats.head)?;
        }
        self.row = 1;
        Ok(())
    }
}

fn write(
    sheet: &mut Worksheet,
    row: u32,
    column: u16,
    value: Value,
    formats: &Formats,
) -> Result<(), XlsxError> {
    match value {
        Value::Empty => return Ok(()),
        Value::Text(text) => {
            let short = text.chars().take(CELL_LIMIT).collect::<String>();
            sheet.write_string(row, column, short)?
        }
        Value::Flag(flag) => sheet.write_boolean(row, column, flag)?,
        Value::Count(number) => {
            sheet.write_number(row, column, number.to_f64().unwrap_or_default())?
        }
        Value::Amount(amount) => {
            let number = amount.to_f64().unwrap_or_default();
            sheet.write_number_with_format(row, column, number, &formats.amount)?
        }
        Value::Time(at) => {
            sheet.write_number_with_format(row, column, serial(&at), &formats.time)?
        }
    };
    Ok(())
}

/// Days since Excel's epoch, by the clock of the zone.
fn serial(at: &DateTime<Tz>) -> f64 {
    let clock = at.naive_local().and_utc().timestamp_millis();
    let days = clock.div_euclid(86_400_000) - EXCEL_EPOCH;
    let within = clock.rem_euclid(86_400_000);
    days.to_f64().unwrap_or_default() + within.to_f64().unwrap_or_default() / DAY_MILLIS
}

/// Adds a sheet about the file: its time, its zone, and `lines`.
pub(super) fn add_about(
    workbook: &mut Workbook,
    as_of: DateTime<Utc>,
    zone: Tz,
    lines: impl IntoIterator<Item = (String, Value)>,
) -> io::Result<()> {
    let columns = vec![("About".to_owned(), 18.0), (String::new(), 60.0)];
    let mut sheet = SheetWriter::begin(workbook, "About", columns)?;
    let as_of = as_of.with_timezone(&zone);
    let fixed = [
        ("as_of".to_owned(), Value::Time(as_of)),
        ("tz".to_owned(), Value::Text(zone.name().to_owned())),
    ];
    for (name, value) in fixed.into_iter().chain(lines) {
        sheet.add([Value::Text(name), value])?;
    }
    Ok(())
}

pub(super) fn into_io(error: XlsxError) -> io::Error {
    match error {
        XlsxError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_clock_of_its_zone() {
        let at: DateTime<Utc> = "2026-11-20T18:30:00Z".parse().unwrap();
        // 2026-11-20 is day 46,346 of Excel.
        assert!((serial(&at.with_timezone(&Tz::UTC)) - 46_346.770_833_333).abs() < 1e-6);
        let midnight = serial(&at.with_timezone(&chrono_tz::Asia::Kolkata));
        assert!((midnight - 46_347.0).abs() < 1e-9, "{midnight}");
    }
}
