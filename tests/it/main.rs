//! The one test binary of the crate.

mod conformance;
mod edge;
mod layers;
mod mirror;
mod servers;
mod summary;
mod twin;
mod world;
