//! Where data is cut: large files into chunks, disk images into blocks, runs of small files into bundles.
//!
//! Cut points follow from contents and repository alone, so that equal data is cut alike by every host and every
//! run, and an edit moves few of them. FORMAT.md, "Chunks and bundles".

pub use bundle::Border;
pub use bundle::BundleBorder;
pub use cut::Chunker;
pub use cut::ImageChunker;
pub use cut::Tail;

mod bundle;
mod cut;
#[cfg(test)]
mod samples;
