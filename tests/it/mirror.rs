//! The mirror through the function's own door, against the twin.

mod copies;
mod faults;
mod fidelity;
mod hints;
mod lies;
mod locked;
mod objects;
mod policies;
mod races;
mod resume;
mod rules;
mod spellings;
mod sweep;
