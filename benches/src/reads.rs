//! Measurements of reading: pages and exports.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rusqlite::types::ValueRef;

use crate::bench::{Bench, Subject};
use crate::error::BenchError;
use crate::load::Connection;
use crate::population::{Population, recipient, wamid};
use crate::process::memory;
use crate::server::Installation;
use crate::table::{Table, Target};

/// The median is reported.
const REQUESTS_PER_PAGE: usize = 7;
/// Response time that every page should reach.
const GOAL_MS: u32 = 10;

/// The pages and lists that operators use most, with their filters.
fn paths(population: &Population) -> Vec<String> {
    let number = population.size / 2;
    let phone = recipient(number);
    let id = population.message_id(number);
    let old = population.created_at(number).timestamp_millis();
    vec![
        "/".to_owned(),
        "/?hours=24".to_owned(),
        "/?days=7".to_owned(),
        "/?days=30".to_owned(),
        "/messages".to_owned(),
        "/messages?sort=changed".to_owned(),
        "/messages?sort=changed&state=failed&account=kaleyra-in".to_owned(),
        "/messages?kind=video".to_owned(),
        "/messages?origin=observed".to_owned(),
        "/messages?from=918600000001".to_owned(),
        "/messages?from=918600000009".to_owned(),
        "/messages?campaign=autumn".to_owned(),
        "/messages?state=failed".to_owned(),
        "/messages?state=delivered&account=sobot-main".to_owned(),
        "/messages?state=delivered,read,played".to_owned(),
        "/messages?state=uncertain&account=sobot-main".to_owned(),
        "/messages?code=131026".to_owned(),
        "/api/v1/messages?class=policy".to_owned(),
        "/api/v1/messages?resent=true".to_owned(),
        "/messages?conflict=true".to_owned(),
        "/messages?overdue=true".to_owned(),
        "/messages?kind=video&provider=kaleyra".to_owned(),
        format!("/messages?cursor={old}.{id}"),
        format!("/messages?q={phone}"),
        format!("/messages?q={phone}&account=zixflow-main&state=uncertain"),
        format!("/messages?q={}", &phone[..3]),
        format!("/messages?q={}", &phone[..8]),
        format!("/messages?q={}", &phone[4..]),
        format!("/messages?q={}", &phone[8..]),
        format!("/messages/resend?q=order-{number}"),
        format!("/messages?q={}", wamid(number)),
        "/messages?q=order".to_owned(),
        format!("/messages?q=order-{number}"),
        format!("/messages?q={id}"),
        format!("/messages/{id}"),
        "/problems".to_owned(),
        "/callbacks".to_owned(),
        "/callbacks?outcome=receipts".to_owned(),
        "/callbacks?account=zixflow-main".to_owned(),
        "/callbacks?outcome=quarantined".to_owned(),
        format!("/callbacks?q={}", wamid(number)),
        format!("/callbacks/{}", population.callback_id(number)),
        "/accounts".to_owned(),
        "/reports".to_owned(),
        "/reports?interval=week".to_owned(),
        "/reports?interval=month&by=account,kind,campaign".to_owned(),
        "/reports?tz=Asia/Kolkata".to_owned(),
        "/api/v1/stats".to_owned(),
        "/api/v1/stats?bucket=day&tz=Asia/Kolkata".to_owned(),
        "/api/v1/reports/summary.json".to_owned(),
        "/api/v1/reports/summary.json?interval=month".to_owned(),
        "/api/v1/reports/summary.json?tz=Asia/Kolkata".to_owned(),
        "/api/v1/reports/costs.json".to_owned(),
        "/campaigns".to_owned(),
        "/send".to_owned(),
        "/audit".to_owned(),
        "/metrics".to_owned(),
        "/api/v1/problems".to_owned(),
        "/api/v1/orphans".to_owned(),
    ]
}

/// Measures every page. Reports the slowest one, by the median of its response times.
pub fn pages(bench: &Bench<'_>, subject: &Subject, table: &mut Table) -> Result<(), BenchError> {
    let token = subject
        .installation
        .create_token("pages", "read,send,operate,admin")?;
    let mut slowest = (Duration::ZERO, String::new());
    let mut all = Vec::new();
    for path in paths(subject.callbacks.population()) {
        let request = get_request(&path, &token);
        let mut took = bench.block_on(async {
            let mut connection = Connection::open(subject.server.address).await?;
            let mut took = Vec::with_capacity(REQUESTS_PER_PAGE);
            for _ in 0..REQUESTS_PER_PAGE {
                let began = Instant::now();
                let status = connection.exchange(&request).await?;
                took.push(began.elapsed());
                if status != 200 {
                    return Err(format!("{path}: {status}").into());
                }
            }
            Ok::<_, BenchError>(took)
        })?;
        took.sort_unstable();
        let median = took[REQUESTS_PER_PAGE / 2];
        all.push(median);
        eprintln!(
            "    {:8.1} ms (worst {:.1}) {path}",
            millis(median),
            millis(took[REQUESTS_PER_PAGE - 1])
        );
        if median > slowest.0 {
            slowest = (median, path);
        }
    }
    all.sort_unstable();
    let within = all
        .iter()
        .filter(|took| **took <= Duration::from_millis(GOAL_MS.into()))
        .count();
    let detail = format!(
        "{}; {within} of {} within {GOAL_MS} ms, median {:.1}",
        slowest.1,
        all.len(),
        millis(all[all.len() / 2])
    );
    table.add(
        "slowest page, ms",
        millis(slowest.0),
        detail,
        Target::AtMost(50.0, f64::from(GOAL_MS)),
    );
    Ok(())
}

pub fn get_request(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}

/// Every message in each format, compared with a loop over the same columns.
pub fn exports(
    installation: &Installation,
    rows: u64,
    table: &mut Table,
) -> Result<(), BenchError> {
    let bare = rate(rows, bare_loop(installation)?);
    let formats = [
        ("csv", "CSV", Target::AtLeast(0.25, 0.7)),
        ("ndjson", "NDJSON", Target::None),
        ("xlsx", "XLSX", Target::None),
    ];
    for (format, name, target) in formats {
        let (took, peak) = export(installation, format)?;
        let exported = rate(rows, took);
        table.add(
            &format!("{name} export ÷ bare row loop"),
            exported / bare,
            format!("{exported:.0} of {bare:.0} rows per second"),
            target,
        );
        table.add(
            &format!("{name} export, peak memory, MB"),
            peak,
            format!("{rows} rows"),
            Target::AtMost(100.0, 50.0),
        );
    }
    Ok(())
}

/// Returns the duration and the peak memory in MB.
fn export(installation: &Installation, format: &str) -> Result<(Duration, f64), BenchError> {
    let began = Instant::now();
    let mut child = installation
        .command(&["export", "--format", format])
        .stdout(Stdio::null())
        .spawn()?;
    let mut peak = 0.0_f64;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // If the process has ended since, the last value counts.
        peak = memory(child.id(), "VmHWM:").unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(5));
    };
    if !status.success() {
        return Err(format!("export --format {format}: {status}").into());
    }
    Ok((began.elapsed(), peak))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn rate(rows: u64, took: Duration) -> f64 {
    rows as f64 / took.as_secs_f64()
}

/// Reads the columns of an export and writes them unchanged.
fn bare_loop(installation: &Installation) -> Result<Duration, BenchError> {
    let database = rusqlite::Connection::open(installation.folder.join("bluetick.db"))?;
    let began = Instant::now();
    let mut select = database.prepare(
        "SELECT id, account, provider, sender, recipient, recipient_name, kind, state, conflict, due_at, origin, provider_id, reference, reference1, reference2, client_reference, created_at, submitted_at, sent_at, delivered_at, read_at, failed_at, failure_code, failure_class, failure_detail, billable, pricing_category, price FROM messages ORDER BY created_at DESC, id DESC",
    )?;
    let columns = select.column_count();
    let mut out = csv::Writer::from_writer(std::io::sink());
    let mut number = Vec::new();
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            match row.get_ref(column)? {
                ValueRef::Null => out.write_field("")?,
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => out.write_field(bytes)?,
                ValueRef::Integer(value) => {
                    number.clear();
                    write!(number, "{value}")?;
                    out.write_field(&number)?;
                }
                ValueRef::Real(value) => out.write_field(value.to_string())?,
            }
        }
        out.write_record(None::<&[u8]>)?;
    }
    out.flush()?;
    Ok(began.elapsed())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
