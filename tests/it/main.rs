//! Requirements of the whole, against the real program with real databases.

mod dashboard_views;
mod house;
