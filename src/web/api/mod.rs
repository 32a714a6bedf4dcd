//! The HTTP API: what its calls read and answer.
