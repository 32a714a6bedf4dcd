//! Campaigns and their recipients.

mod first_use;
