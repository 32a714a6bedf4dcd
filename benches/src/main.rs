//! Benchmarks of the release binary over HTTP with full databases, compared with baselines in the
//! same run.
//!
//! Prints one table of values, ratios, floors and goals. `scripts/bench` runs it;
//! `benches/README.md` describes the method.

mod bare_client;
mod baseline;
mod bench;
mod bulk;
mod bulk_rows;
mod callback_requests;
mod cell;
mod error;
mod ingest;
mod journal_rows;
mod load;
mod paced;
mod population;
mod process;
mod reads;
mod scale;
mod sending;
mod server;
mod soak;
mod table;
mod visible;

use std::path::PathBuf;

use clap::Parser;

use crate::error::BenchError;
use crate::scale::Scale;
use crate::table::Table;

type Measure = fn(&bench::Bench<'_>, &mut Table) -> Result<(), BenchError>;

/// This part runs only with `--soak`.
const SOAK: &str = "soak";

#[derive(Parser, Debug)]
struct Arguments {
    /// Fewer rows and shorter runs: about four minutes
    #[arg(long)]
    quick: bool,
    /// Run only the parts whose name begins with this
    #[arg(long)]
    only: Vec<String>,
    /// Folder for temporary databases
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
    /// Send callbacks as fast as they are applied for this many minutes, and measure memory
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..), conflicts_with_all = ["quick", "only"])]
    soak: Option<u64>,
    /// Measure pages only, with the ten million messages in this folder, which are created if it is
    /// empty and are kept
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["soak", "only"])]
    population: Option<PathBuf>,
    /// The build of bluetick to measure [default: the one in the folder of this program]
    #[arg(long)]
    binary: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(clap::Subcommand, Debug)]
enum Part {
    /// Serve a baseline; used by the program itself
    #[command(hide = true, subcommand)]
    Baseline(baseline::Baseline),
}

fn main() -> Result<(), BenchError> {
    let arguments = Arguments::parse();
    if let Some(Part::Baseline(baseline)) = arguments.part {
        return baseline::serve(baseline);
    }
    let scale = match arguments.soak {
        Some(minutes) => Scale::soak(minutes),
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
    let parts: [(&str, Measure); 8] = [
        ("naive", ingest::naive),
        ("small", ingest::small),
        ("campaign", ingest::campaign),
        ("paced", paced::paced),
        ("postgres", ingest::postgres),
        ("sending", sending::sending),
        ("large", ingest::large),
        (SOAK, soak::soak),
    ];
    let binary = match arguments.binary {
        Some(binary) => binary,
        None => std::env::current_exe()?.with_file_name("bluetick"),
    };
    let kept = arguments.population.as_deref();
    let bench = bench::Bench::new(&scale, kept.unwrap_or(folder.path()), &binary)?;
    if kept.is_some() {
        ingest::kept_pages(&bench, &mut table)?;
        println!("{table}");
        return Ok(());
    }
    for (name, run) in parts {
        if wanted(name) {
            eprintln!("{name}");
            run(&bench, &mut table)?;
        }
    }
    println!("{table}");
    Ok(())
}
