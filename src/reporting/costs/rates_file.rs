//! The CSV file of rates. A changed file is reloaded; while it cannot be read or has mistakes, the
//! rates before stay.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

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
/// Problems that are listed.
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
    loaded: Mutex<Loaded>,
}

#[derive(Clone, Debug, Default)]
struct Loaded {
    rates: Arc<Rates>,
    stamp: Option<Stamp>,
    /// Why the file as it is now is not used.
    problem: Option<String>,
}

/// Changes with the file.
type Stamp = (Option<SystemTime>, u64);

impl RatesFile {
    /// Without a path there are no rates.
    pub fn open(path: Option<PathBuf>) -> Result<Self, RatesError> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        match read(&path) {
            Ok((rates, stamp)) => Ok(Self {
                path: Some(path),
                loaded: Mutex::new(Loaded {
                    rates: Arc::new(rates),
                    stamp: Some(stamp),
                    problem: None,
                }),
            }),
            Err(problem) => Err(RatesError { path, problem }),
        }
    }

    pub async fn current(&self) -> Arc<Rates> {
        if let Some(path) = &self.path {
            let stamp = stamp(path).await;
            if stamp.is_none() || stamp != self.known_stamp() {
                self.reload(path.clone()).await;
            }
        }
        Arc::clone(&self.lock().rates)
    }

    /// Why the file as it is now is not used, if it is not.
    pub fn problem(&self) -> Option<String> {
        self.lock().problem.clone()
    }

    async fn reload(&self, path: PathBuf) {
        let stamp = stamp(&path).await;
        let reading = tokio::task::spawn_blocking(move || read(&path)).await;
        let read = reading.unwrap_or_else(|_| Err("could not be read".to_owned()));
        let mut loaded = self.lock();
        match read {
            Ok((rates, stamp)) => {
                *loaded = Loaded {
                    rates: Arc::new(rates),
                    stamp: Some(stamp),
                    problem: None,
                };
            }
            Err(problem) => {
                if loaded.problem.as_deref() != Some(&problem) {
                    tracing::warn!(problem, "the rates file is not used; the rates before stay");
                }
                loaded.problem = Some(problem);
                // Not loaded before it changes.
                loaded.stamp = stamp;
            }
        }
    }

    fn known_stamp(&self) -> Option<Stamp> {
        self.lock().stamp
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok(), metadata.len()))
}

fn read(path: &Path) -> Result<(Rates, Stamp), String> {
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
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = ReaderBuilder::new()
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let header = reader
        .headers()
        .map_err(|error| vec![error.to_string()])?
        .clone();
    let places = find_columns(&header)?;
    let (mut rates, mut problems) = (Rates::default(), Vec::new());
    for record in reader.records() {
        let read = match &record {
            Ok(record) => parse_rate(record, places, &mut rates),
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
    let mut places = [0; COLUMNS.len()];
    let mut missing = Vec::new();
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        match header
            .iter()
            .position(|name| name.eq_ignore_ascii_case(column))
        {
            Some(index) => *place = index,
            None => missing.push(column),
        }
    }
    if missing.is_empty() {
        Ok(places)
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
    places: [usize; COLUMNS.len()],
    rates: &mut Rates,
) -> Result<(), String> {
    let [from, account, country, category, amount, currency] =
        places.map(|place| record.get(place).unwrap_or_default());
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
    match rates.insert(scope, valid_from, Rate { amount, currency }) {
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
    fn every_mistake_is_named_by_its_line() {
        let problems = parse(
            "amount,currency,valid_from,account,country,category\n\
             1,INR,2026-01-01,*,IN,marketing\n\
             1,INR,01.02.2026,*,IN,marketing\n\
             1,INR,2026-01-01,Not A Slug,IN,marketing\n\
             1,INR,2026-01-01,*,India,marketing\n\
             1,INR,2026-01-01,*,IN,\n\
             1 EUR,INR,2026-01-01,*,BR,marketing\n\
             1,RUPEES,2026-01-01,*,BR,marketing\n\
             2,INR,2026-01-01,*,in,Marketing\n",
        )
        .unwrap_err();
        let starts = [
            "line 3: valid_from",
            "line 4: account",
            "line 5: country",
            "line 6: category",
            "line 7: amount",
            "line 8: currency",
            "line 9: an earlier line",
        ];
        assert_eq!(problems.len(), starts.len(), "{problems:#?}");
        for (problem, start) in problems.iter().zip(starts) {
            assert!(problem.starts_with(start), "{problem}");
        }
    }

    #[test]
    fn a_missing_column_is_named() {
        let problems = parse("valid_from,account,country,amount,currency\n").unwrap_err();
        assert!(
            problems[0].starts_with("lacks the column category;"),
            "{problems:?}"
        );
    }
}
