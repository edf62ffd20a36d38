//! The integration tests of Farkeep: one binary, so that everything is linked once.

mod tidy;
