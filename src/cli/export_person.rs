//! `bluetick export-person`: everything about one customer as a zip.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::cli::command_error::CommandError;
use crate::cli::command_line_actor::COMMAND_LINE;
use crate::cli::erase::name_phone_argument;
use crate::operating::action_context::ActionContext;
use crate::operating::erasure::export_person;
use crate::reporting::number_format::counted;
use crate::services::Services;

#[derive(Args, Debug)]
pub struct ExportPersonArguments {
    /// Phone number with country code, a `wa_id`, or a WhatsApp user id
    #[arg(long = "phone", value_name = "N")]
    pub identity: String,
    /// A new file
    #[arg(long, value_name = "FILE", default_value = "customer.zip")]
    pub output: PathBuf,
}

pub async fn run(
    arguments: &ExportPersonArguments,
    services: &Services,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let context = ActionContext {
        actor: COMMAND_LINE,
        now: services.clock.now(),
    };
    let ExportPersonArguments { identity, output } = arguments;
    let exported = export_person(services, identity, output, &context).await;
    let exported = exported.map_err(name_phone_argument)?;
    writeln!(
        out,
        "{}: {}, {}; it contains personal data: delete it once it has been delivered",
        output.display(),
        counted(exported.messages, "message", "messages"),
        counted(exported.callbacks, "callback", "callbacks"),
    )?;
    if exported.messages == 0 && exported.callbacks == 0 {
        writeln!(
            out,
            "note: nothing about this customer is stored; check the number"
        )?;
    }
    Ok(())
}
