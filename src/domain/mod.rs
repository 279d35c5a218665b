//! Values and decisions. Pure: no AWS type, no I/O, no clock, no environment, no tokio.

pub mod audit;
pub mod checksum;
pub mod delivery;
pub mod difference;
pub mod event;
pub mod fit;
pub mod handshake;
pub mod job;
pub mod ledger;
pub mod notice;
#[cfg(feature = "dev")]
pub mod notification;
pub mod object;
pub mod parts;
pub mod point;
pub mod reconcile;
pub mod rounds;
pub mod secrets;
pub mod signature;
pub mod source;
pub mod summary;
pub mod trace;
