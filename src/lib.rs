//! Bluetick sends WhatsApp media messages through four providers and knows what became of every one of them.

pub mod cli;
pub mod config;
pub mod data_dir;
pub mod delivery;
pub mod domain;
pub mod keys;
pub mod providers;
pub mod store;
pub mod telemetry;
pub mod web;
