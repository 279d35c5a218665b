//! The far sides in process: for tests and for running on a laptop. The function cannot link it (feature `dev`).
pub mod faults;
pub mod intdash;
pub mod s3;
pub mod sender;
pub mod sns;
pub mod topic;
