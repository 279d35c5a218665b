//! The one test binary of the crate.
mod conformance;
mod servers;
mod twin;
