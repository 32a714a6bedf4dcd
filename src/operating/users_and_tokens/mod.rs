//! Users of the dashboard and API tokens: signing in, and managing them.

pub mod manage_tokens;
pub mod manage_users;
pub mod password;
pub mod password_sign_in;
pub mod sign_in_throttle;
