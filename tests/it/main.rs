//! The one test binary of the crate.

#![expect(clippy::unwrap_used, reason = "in a test a panic is how it fails")]

mod answers;
mod audit;
mod brake;
mod certificates;
mod chain;
mod clients;
mod conformance;
mod disorder;
mod edge;
mod emulator;
mod entropy;
mod events;
mod flavors;
mod floods;
mod generic;
mod handshakes;
mod inbox;
mod keys;
mod kills;
mod layers;
mod logs;
mod metrics;
mod mirror;
mod moto;
mod notify;
mod operator;
mod originals;
mod queue;
mod recording;
mod removals;
mod retained;
mod senders;
mod servers;
mod small;
mod summary;
mod twin;
mod weed;
mod world;
