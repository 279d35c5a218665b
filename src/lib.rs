//! A webhook function: receives deliveries, believes only what is proven, and does the work itself.
pub mod domain;
#[cfg(feature = "dev")]
pub mod twin;
