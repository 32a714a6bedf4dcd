//! Who the audit log names for commands that are run on the machine itself.

use crate::domain::audit_action::Actor;

pub(super) const COMMAND_LINE: Actor<'static> = Actor::local("command line");
