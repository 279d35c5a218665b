//! Every scheme, with the vectors that its sender published.
