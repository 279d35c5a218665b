//! What a delivery of any sender is read as.
