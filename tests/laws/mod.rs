//! What holds for every tree: it comes back as it was, and its content id depends on nothing but itself.

mod cleaning;
mod content;
mod kinds;
mod round_trip;
