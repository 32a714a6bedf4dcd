//! Bluetick sends WhatsApp media messages through four providers and tracks their delivery.
//!
#![doc = include_str!("../README.md")]

pub mod app;
pub mod cli;
pub mod config;
pub mod data_dir;
pub mod db;
pub mod domain;
pub mod http_client;
pub mod jobs;
pub mod journal;
pub mod keys;
pub mod operating;
pub mod providers;
pub mod receiving;
pub mod reporting;
pub mod sending;
pub mod services;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod web;
