//! Fills databases with a population directly, with indexes built last. Through callbacks it would
//! take hours.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use crate::bulk_rows::main_database;
use crate::cell::{Cell, TableRows};
use crate::error::BenchError;
use crate::journal_rows::journal;
use crate::population::Population;
use crate::server::Installation;

/// The installation must be new and migrated.
pub fn fill(installation: &Installation, population: &Population) -> Result<(), BenchError> {
    let began = Instant::now();
    if installation.database_url.starts_with("sqlite:") {
        std::thread::scope(|scope| {
            let journal =
                scope.spawn(|| fill_file(installation, "journal.db", vec![journal(population)]));
            fill_file(installation, "bluetick.db", main_database(population))?;
            journal.join().map_err(|_| "loading the journal panicked")?
        })?;
    } else {
        let mut tables = main_database(population);
        tables.push(journal(population));
        fill_server(&installation.database_url, population, tables)?;
    }
    eprintln!(
        "  {} messages loaded in {:.0} s",
        population.size,
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// When the newest message of an installation on SQLite was created; `None` if there is none.
pub fn newest_message(folder: &Path) -> Result<Option<DateTime<Utc>>, BenchError> {
    let file = folder.join("bluetick.db");
    if !file.exists() {
        return Ok(None);
    }
    let database = Connection::open(file)?;
    let newest: Option<i64> =
        database.query_row("SELECT MAX(created_at) FROM messages", [], |row| row.get(0))?;
    Ok(newest.and_then(DateTime::from_timestamp_millis))
}

fn fill_file(
    installation: &Installation,
    file: &str,
    tables: Vec<TableRows<'_>>,
) -> Result<(), BenchError> {
    let mut database = Connection::open(installation.folder.join(file))?;
    database.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA locking_mode = EXCLUSIVE; PRAGMA threads = 2",
    )?;
    let indexes = drop_indexes(&database)?;
    let transaction = database.transaction()?;
    for table in tables {
        let placeholders = vec!["?"; table.columns.len()].join(", ");
        let text = format!(
            "INSERT OR REPLACE INTO {} ({}) VALUES ({placeholders})",
            table.name,
            table.columns.join(", ")
        );
        let mut insert = transaction.prepare(&text)?;
        for row in table.rows {
            insert.execute(rusqlite::params_from_iter(row))?;
        }
    }
    transaction.commit()?;
    for index in indexes {
        database.execute_batch(&index)?;
    }
    database.execute_batch("PRAGMA locking_mode = NORMAL; PRAGMA journal_mode = WAL")?;
    Ok(())
}

/// Drops the indexes that belong to no constraint; returns the statements that create them.
fn drop_indexes(database: &Connection) -> Result<Vec<String>, BenchError> {
    let mut find = database
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")?;
    let found: Vec<(String, String)> = find
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (name, _) in &found {
        database.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    Ok(found.into_iter().map(|(_, text)| text).collect())
}

/// Uses `COPY` in `psql`.
fn fill_server(
    url: &str,
    population: &Population,
    tables: Vec<TableRows<'_>>,
) -> Result<(), BenchError> {
    let mut client = Command::new("psql")
        .args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", url])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut script = BufWriter::new(client.stdin.take().ok_or("no standard input")?);
    writeln!(
        script,
        "BEGIN;\nDELETE FROM settings WHERE name IN ('reconcile_position', 'charges_counted');"
    )?;
    for table in tables {
        let columns = table.columns.join(", ");
        writeln!(script, "COPY {} ({columns}) FROM STDIN;", table.name)?;
        for row in table.rows {
            let cells: Vec<String> = row.iter().map(Cell::copy_text).collect();
            writeln!(script, "{}", cells.join("\t"))?;
        }
        writeln!(script, "\\.")?;
    }
    writeln!(
        script,
        "SELECT setval('journal_seq', {});\nCOMMIT;\nVACUUM ANALYZE;",
        population.size
    )?;
    drop(script);
    if client.wait()?.success() {
        Ok(())
    } else {
        Err("psql failed".into())
    }
}
