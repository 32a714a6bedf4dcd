//! The CSV file of rates. A changed file is reloaded; while it cannot be read or has mistakes, the
//! previous rates stay in use.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use chrono::NaiveDate;
use csv::{ReaderBuilder, StringRecord, Trim};
use thiserror::Error;

use crate::domain::amount::{parse_amount, parse_currency};
use crate::domain::rates::{Rate, RateScope, Rates};

const COLUMNS: [&str; 6] = [
    "valid_from",
    "account",
    "country",
    "category",
    "amount",
    "currency",
];
/// In bytes: some hundred thousand rates.
const SIZE_LIMIT: u64 = 16 * 1024 * 1024;
/// The most problems that are listed.
const PROBLEM_LIMIT: usize = 20;

#[derive(Debug, Error)]
#[error("rates_file: {} {problem}", path.display())]
pub struct RatesError {
    path: PathBuf,
    problem: String,
}

#[derive(Debug, Default)]
pub struct RatesFile {
    path: Option<PathBuf>,
    loaded: Mutex<LoadedRates>,
}

#[derive(Clone, Debug, Default)]
struct LoadedRates {
    rates: Arc<Rates>,
    version: Option<FileVersion>,
    /// Why the current file is not used.
    problem: Option<String>,
}

/// Modification time and size.
type FileVersion = (Option<SystemTime>, u64);

impl RatesFile {
    /// Without a path there are no rates.
    pub fn open(path: Option<PathBuf>) -> Result<Self, RatesError> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        match read(&path) {
            Ok((rates, version)) => Ok(Self {
                path: Some(path),
                loaded: Mutex::new(LoadedRates {
                    rates: Arc::new(rates),
                    version: Some(version),
                    problem: None,
                }),
            }),
            Err(problem) => Err(RatesError { path, problem }),
        }
    }

    pub async fn current(&self) -> Arc<Rates> {
        if let Some(path) = &self.path {
            let version = version(path).await;
            if version.is_none() || version != self.known_version() {
                self.reload(path.clone()).await;
            }
        }
        Arc::clone(&self.lock().rates)
    }

    /// Why the current file is not used; `None` if it is.
    pub fn problem(&self) -> Option<String> {
        self.lock().problem.clone()
    }

    async fn reload(&self, path: PathBuf) {
        let version = version(&path).await;
        let reading = tokio::task::spawn_blocking(move || read(&path)).await;
        let result = reading.unwrap_or_else(|_| Err("could not be read".to_owned()));
        let mut loaded = self.lock();
        match result {
            Ok((rates, version)) => {
                *loaded = LoadedRates {
                    rates: Arc::new(rates),
                    version: Some(version),
                    problem: None,
                };
            }
            Err(problem) => {
                if loaded.problem.as_deref() != Some(&problem) {
                    tracing::warn!(
                        problem,
                        "the rates file is invalid; the previous rates stay in use"
                    );
                }
                loaded.problem = Some(problem);
                // Not reloaded until the file changes.
                loaded.version = version;
            }
        }
    }

    fn known_version(&self) -> Option<FileVersion> {
        self.lock().version
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LoadedRates> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn version(path: &Path) -> Option<FileVersion> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok(), metadata.len()))
}

fn read(path: &Path) -> Result<(Rates, FileVersion), String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > SIZE_LIMIT {
        return Err(format!("is larger than {} MiB", SIZE_LIMIT / 1024 / 1024));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let rates = parse(&text).map_err(|problems| problems.join("\n"))?;
    Ok((rates, (metadata.modified().ok(), metadata.len())))
}

/// All problems, by line.
fn parse(text: &str) -> Result<Rates, Vec<String>> {
    // The reader numbers the lines of a file with CRLF one too low.
    let text = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .replace("\r\n", "\n");
    let mut reader = ReaderBuilder::new()
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let header = reader
        .headers()
        .map_err(|error| vec![error.to_string()])?
        .clone();
    let column_indexes = find_columns(&header)?;
    let (mut rates, mut problems) = (Rates::default(), Vec::new());
    for record in reader.records() {
        let read = match &record {
            Ok(record) => parse_rate(record, column_indexes)
                .and_then(|(scope, valid_from, rate)| insert(&mut rates, scope, valid_from, rate)),
            Err(error) => Err(error.to_string()),
        };
        let line = match &record {
            Ok(record) => record.position(),
            Err(error) => error.position(),
        };
        if let Err(problem) = read {
            let line = line.map_or(0, csv::Position::line);
            problems.push(format!("line {line}: {problem}"));
        }
        if problems.len() == PROBLEM_LIMIT {
            break;
        }
    }
    if problems.is_empty() {
        Ok(rates)
    } else {
        Err(problems)
    }
}

fn find_columns(header: &StringRecord) -> Result<[usize; COLUMNS.len()], Vec<String>> {
    let mut column_indexes = [0; COLUMNS.len()];
    let mut missing = Vec::new();
    if header.iter().all(str::is_empty) {
        let message = format!("is empty; its first line names {}", COLUMNS.join(", "));
        return Err(vec![message]);
    }
    for (column_index, column) in column_indexes.iter_mut().zip(COLUMNS) {
        match header
            .iter()
            .position(|name| name.eq_ignore_ascii_case(column))
        {
            Some(index) => *column_index = index,
            None => missing.push(column),
        }
    }
    if missing.is_empty() {
        Ok(column_indexes)
    } else {
        Err(vec![format!(
            "lacks the column {}; the first line names {}",
            missing.join(", "),
            COLUMNS.join(", ")
        )])
    }
}

fn parse_rate(
    record: &StringRecord,
    column_indexes: [usize; COLUMNS.len()],
) -> Result<(RateScope, NaiveDate, Rate), String> {
    let [from, account, country, category, amount, currency] =
        column_indexes.map(|index| record.get(index).unwrap_or_default());
    let valid_from = from
        .parse()
        .map_err(|_| format!("valid_from `{from}` is not a day such as 2026-01-31"))?;
    let account = match account {
        "*" => None,
        id => Some(
            id.parse()
                .map_err(|_| format!("account `{id}` is not an account id or *"))?,
        ),
    };
    let country = match country {
        "*" => None,
        code if code.len() == 2 && code.bytes().all(|letter| letter.is_ascii_alphabetic()) => {
            Some(code.to_ascii_uppercase())
        }
        other => {
            return Err(format!(
                "country `{other}` is not two letters such as IN, or *"
            ));
        }
    };
    let category = match category {
        "" => return Err("category is empty; write * for all".to_owned()),
        "*" => None,
        word => Some(word.to_lowercase()),
    };
    let amount = parse_amount(amount)
        .filter(|amount| !amount.is_sign_negative())
        .ok_or_else(|| format!("amount `{amount}` is not an amount such as 0.7846"))?;
    let currency = parse_currency(currency)
        .filter(|code| code.len() == 3)
        .ok_or_else(|| format!("currency `{currency}` is not three letters such as INR"))?;
    let scope = RateScope {
        account,
        country,
        category,
    };
    Ok((scope, valid_from, Rate { amount, currency }))
}

fn insert(
    rates: &mut Rates,
    scope: RateScope,
    valid_from: NaiveDate,
    rate: Rate,
) -> Result<(), String> {
    match rates.insert(scope, valid_from, rate) {
        None => Ok(()),
        Some(_) => {
            Err("an earlier line has the same valid_from, account, country and category".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_with_its_line() {
        let text = "amount,currency,valid_from,account,country,category\n\
             1,INR,2026-01-01,*,IN,marketing\n\
             1,INR,01.02.2026,*,IN,marketing\n\
             1,INR,2026-01-01,Not A Slug,IN,marketing\n\
             1,INR,2026-01-01,*,India,marketing\n\
             1,INR,2026-01-01,*,IN,\n\
             1 EUR,INR,2026-01-01,*,BR,marketing\n\
             1,RUPEES,2026-01-01,*,BR,marketing\n\
             2,INR,2026-01-01,*,in,Marketing\n";
        let starts = [
            "line 3: valid_from",
            "line 4: account",
            "line 5: country",
            "line 6: category",
            "line 7: amount",
            "line 8: currency",
            "line 9: an earlier line",
        ];
        for text in [text.to_owned(), text.replace('\n', "\r\n")] {
            let problems = parse(&text).unwrap_err();
            assert_eq!(problems.len(), starts.len(), "{problems:#?}");
            for (problem, start) in problems.iter().zip(starts) {
                assert!(problem.starts_with(start), "{problem}");
            }
        }
    }

    #[test]
    fn a_missing_column_is_reported() {
        let problems = parse("valid_from,account,country,amount,currency\n").unwrap_err();
        assert!(
            problems[0].starts_with("lacks the column category;"),
            "{problems:?}"
        );
    }
}
