//! A webhook function for AWS Lambda: it receives deliveries, believes only what is proven, and does the work itself.
//!
//! # Layout
//!
//! In reading order; dependencies run one way, from the bottom of this list to its top.
//!
//! - [`domain`][]: values and decisions, pure
//! - [`config`][]: the settings
//! - [`clients`][]: the only place where an SDK or HTTP-client type is named
//! - [`error`][]: work that should be tried again
//! - [`metrics`][]: what is counted
//! - [`brake`][]: how many copies may be removed
//! - [`resume`][]: an upload that outlives its worker
//! - [`transfer`][], [`mirror`][], [`summarise`][]: the verbs
//! - [`receipt`][]: what becomes of a delivery
//! - [`app`][]: a delivery is received, its jobs are performed
//! - [`http`][], [`lambda`][]: the edges, towards senders and towards Lambda
//! - [`telemetry`][]: logs
//! - `twin`: the far sides in process, for tests and for running on a laptop (feature `dev`)

// The SDK's futures alone nest some ninety types deep: a change of ours should not run into the compiler's limit of 128.
#![recursion_limit = "256"]

pub mod app;
pub mod brake;
pub mod clients;
pub mod config;
pub mod domain;
pub mod error;
pub mod http;
pub mod lambda;
pub mod metrics;
pub mod mirror;
#[cfg(test)]
mod proof;
pub mod receipt;
pub mod resume;
pub mod summarise;
pub mod telemetry;
pub mod transfer;
#[cfg(feature = "dev")]
pub mod twin;
