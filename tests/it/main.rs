//! The one test binary of the crate.
mod conformance;
mod mirror;
mod servers;
mod world;
