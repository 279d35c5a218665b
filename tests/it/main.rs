//! The one test binary of the crate.
mod conformance;
mod entropy;
mod mirror;
mod servers;
mod world;
