//! How fast Bluetick is: the real binary, real HTTP, real databases, and what it is compared with in the same run.
//!
//! Prints one table of values, ratios, floors and goals. `scripts/bench` builds and starts it; the method stands in `benches/README.md`.

mod baseline;
mod bench;
mod bulk;
mod ingest;
mod load;
mod population;
mod reads;
mod server;
mod soak;
mod table;
mod visible;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::table::Table;

/// Whatever ends a run early.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One part of a run: what it finds goes into the table.
type Measure = fn(&bench::Bench<'_>, &mut Table) -> Result<(), Failure>;

/// The part that is measured only when it is asked for.
const SOAK: &str = "soak";
/// Messages that await their two reports at the beginning of a soak, for each of its minutes: enough for 10,000 reports a second, and to warm up.
const SOAKED: u64 = 330_000;

#[derive(Parser, Debug)]
struct Arguments {
    /// Fewer rows and shorter runs: about three minutes.
    #[arg(long)]
    quick: bool,
    /// Only parts whose name begins so.
    #[arg(long)]
    only: Vec<String>,
    /// Where databases are made; they are removed afterwards.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
    /// Only this: callbacks as fast as they are applied for so many minutes, and the memory that it takes.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..), conflicts_with_all = ["quick", "only"])]
    soak: Option<u64>,
    /// Another build of bluetick to measure, for a comparison before and after; else the one beside this program.
    #[arg(long)]
    binary: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(clap::Subcommand, Debug)]
enum Part {
    /// Serves a baseline; the program starts itself so.
    #[command(hide = true, subcommand)]
    Baseline(baseline::Baseline),
}

/// How much and how long.
#[derive(Clone, Debug)]
pub struct Scale {
    /// Messages, and facts, of the smaller database.
    pub small: u64,
    /// Of the larger one.
    pub large: u64,
    /// Of the one on PostgreSQL.
    pub server: u64,
    /// Before every measurement.
    pub warm_up: Duration,
    /// Of every measurement.
    pub measured: Duration,
}

impl Scale {
    const FULL: Self = Self {
        small: 1_000_000,
        large: 10_000_000,
        server: 500_000,
        warm_up: Duration::from_secs(3),
        measured: Duration::from_secs(10),
    };
    const QUICK: Self = Self {
        small: 500_000,
        large: 1_000_000,
        server: 100_000,
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs(4),
    };

    fn soaking(minutes: u64) -> Self {
        Self {
            small: minutes * SOAKED,
            measured: Duration::from_secs(60 * minutes),
            warm_up: Duration::from_secs(30),
            ..Self::FULL
        }
    }
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    if let Some(Part::Baseline(baseline)) = arguments.part {
        return baseline::serve(baseline);
    }
    let scale = match arguments.soak {
        Some(minutes) => Scale::soaking(minutes),
        None if arguments.quick => Scale::QUICK,
        None => Scale::FULL,
    };
    let folder = tempfile::Builder::new()
        .prefix("bluetick-bench.")
        .tempdir_in(&arguments.folder)?;
    let mut table = Table::default();
    let wanted = |part: &str| {
        if arguments.soak.is_some() {
            return part == SOAK;
        }
        part != SOAK && arguments.only.is_empty()
            || arguments
                .only
                .iter()
                .any(|only| part.starts_with(only.as_str()))
    };
    let parts: [(&str, Measure); 6] = [
        ("naive", ingest::naive),
        ("small", ingest::small),
        ("campaign", ingest::campaign),
        ("postgres", ingest::postgres),
        ("large", ingest::large),
        (SOAK, soak::soak),
    ];
    let binary = match arguments.binary {
        Some(binary) => binary,
        None => std::env::current_exe()?.with_file_name("bluetick"),
    };
    let bench = bench::Bench::new(&scale, folder.path(), &binary)?;
    for (name, run) in parts {
        if wanted(name) {
            eprintln!("{name}");
            run(&bench, &mut table)?;
        }
    }
    println!("{table}");
    Ok(())
}
