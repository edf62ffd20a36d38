//! The integration tests of Farkeep: one binary, so that everything is linked once.

mod world;

mod tidy;

mod laws;
mod interleave;
mod crash;
mod damage;
mod face;
mod golden;
mod server;
mod remote;
mod hostile;
mod chaos;
