//! The actor that the audit log records for commands.

use crate::domain::audit_action::Actor;

pub(super) const COMMAND_LINE: Actor<'static> = Actor::local("command line");
