//! Requirements of the whole, against the real program with real databases.
