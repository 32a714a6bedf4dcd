//! What operators and maintenance do: actions on messages, replay, rebuild, retention, verification, explanation.

pub mod actions;
pub mod dismiss;
pub mod explain;
pub mod message_actions;
pub mod rebuild;
pub mod replay;
pub mod retention;
pub mod unmatch;
pub mod verify;
