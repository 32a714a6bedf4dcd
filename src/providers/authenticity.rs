//! authenticity
