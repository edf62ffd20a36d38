//! How many objects a collection marks each second on one core, and how much memory it takes, in a repository of any size.
//!
//! ```text
//! cargo run --release -p farkeep-benches --bin mark -- --objects 10000000
//! ```
//!
//! The repository is made in the folder for temporary files: small objects of data, a node over each hundred of them, and a
//! snapshot. Everything is read once before, so that the page cache is warm. Peak memory is that of the process in the mark
//! alone, which is why another process makes the repository.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use clap::Parser;
use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::Seed;
use farkeep_codec::key::AgentIdentity;
use farkeep_codec::key::Epoch;
use farkeep_codec::key::READER_SECRET_BYTES;
use farkeep_codec::key::ReaderSecret;
use farkeep_codec::object::Kind;
use farkeep_codec::object::object_id;
use farkeep_codec::parameters::Chunker;
use farkeep_codec::parameters::Compression;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::snapshot::Counts;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::snapshot::Private;
use farkeep_codec::snapshot::Series;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::snapshot::Status;
use farkeep_codec::time::Time;
use farkeep_engine::Access;
use farkeep_engine::CollectOptions;
use farkeep_engine::Engine;
use farkeep_engine::IndexKind;
use farkeep_engine::Options;
use farkeep_engine::SlotId;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::RealDisk;

const REPOSITORY: RepositoryId = RepositoryId::from_bytes([2; 32]);
/// What a node refers to.
const REFERENCES: usize = 100;
/// Sealed bytes of each object.
const SEALED_BYTES: usize = 40;

/// Measures a mark.
#[derive(Debug, Parser)]
struct Arguments {
    /// Objects of data.
    #[arg(long, default_value_t = 1_000_000, value_name = "COUNT")]
    objects: u64,
    /// Mebibytes that the mark may take.
    #[arg(long, default_value_t = 512, value_name = "MIB")]
    memory: u64,
    /// A repository that was made before: it is marked, and nothing else.
    #[arg(long, hide = true, value_name = "FOLDER")]
    repository: Option<PathBuf>,
    /// Makes the repository there, and nothing else.
    #[arg(long, hide = true, value_name = "FOLDER")]
    make: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(folder) = &arguments.make {
        return make(folder, arguments.objects);
    }
    if let Some(folder) = &arguments.repository {
        return mark(folder, arguments.memory << 20);
    }
    let folder = tempfile::tempdir().context("there is no folder for temporary files")?;
    let again = |flag: &str| -> Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([
            "--objects",
            &arguments.objects.to_string(),
            "--memory",
            &arguments.memory.to_string(),
        ]);
        let status = command.arg(flag).arg(folder.path().join("repository")).status()?;
        anyhow::ensure!(status.success(), "{flag} ended with {status}");
        Ok(())
    };
    again("--make")?;
    again("--repository")
}

fn options(folder: &Path) -> Result<Options> {
    Options::new(IndexKind::Rocks(folder.join("index"))).context("the system has no random numbers")
}

fn make(folder: &Path, objects: u64) -> Result<()> {
    let disk = Arc::new(RealDisk::create(folder, Backend::Auto)?);
    let slot = (SlotId::from_bytes([4; 16]), b"a slot that nobody opens".as_slice());
    let engine = Engine::create(disk, &parameters().encode(), slot, options(folder)?)?;
    let session = engine.begin();
    let (mut level, mut number) = (Vec::new(), 0);
    let put = |kind, number, below: &[ObjectId]| -> Result<ObjectId> {
        let bytes = object(kind, number, below);
        let id = object_id(&bytes);
        engine.put(&session, &id, &bytes)?;
        Ok(id)
    };
    let mut below = Vec::with_capacity(REFERENCES);
    for data in 0..objects {
        below.push(put(Kind::Data, data, &[])?);
        if below.len() == REFERENCES || data + 1 == objects {
            level.push(put(Kind::Node, number, &below)?);
            below.clear();
            number += 1;
        }
    }
    while level.len() > 1 {
        let mut above = Vec::new();
        for below in level.chunks(REFERENCES) {
            above.push(put(Kind::Node, number, below)?);
            number += 1;
        }
        level = above;
    }
    engine.commit(&session, &record(level[0])?)?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
fn mark(folder: &Path, memory_bytes: u64) -> Result<()> {
    let disk = Arc::new(RealDisk::open(folder, Backend::Auto)?);
    let engine = Engine::open(disk, Access::Read, options(folder)?)?;
    let options = CollectOptions { memory_bytes, ..CollectOptions::default() };
    engine.plan_collection(&options)?;
    let objects = engine.usage()?.objects;
    let begun = Instant::now();
    let plan = engine.plan_collection(&options)?;
    let seconds = begun.elapsed().as_secs_f64();
    anyhow::ensure!(plan.packs.is_empty(), "everything is needed, and this would go: {plan:?}");
    let peak = peak_mib()?;
    #[expect(clippy::cast_precision_loss, reason = "it is only shown")]
    let millions_per_second = objects as f64 / seconds / 1e6;
    println!(
        "{objects} objects in {seconds:.2} s: {millions_per_second:.2} million a second; at most {peak} MiB"
    );
    Ok(())
}

/// Most memory that this process ever had.
fn peak_mib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak is told")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}

fn object(kind: Kind, number: u64, references: &[ObjectId]) -> Vec<u8> {
    let mut bytes = b"FKob\x01\x00".to_vec();
    bytes.extend(kind.number().to_le_bytes());
    bytes.extend(u32::try_from(references.len()).expect("few").to_le_bytes());
    bytes.extend(u32::try_from(SEALED_BYTES).expect("few").to_le_bytes());
    references.iter().for_each(|reference| bytes.extend(reference.as_bytes()));
    let mut sealed = [0; SEALED_BYTES];
    sealed[..8].copy_from_slice(&number.to_le_bytes());
    bytes.extend(sealed);
    bytes
}

fn reader() -> ReaderSecret {
    ReaderSecret::from_bytes([3; READER_SECRET_BYTES])
}

fn parameters() -> Parameters {
    Parameters {
        repository: REPOSITORY,
        created: Time::from_nanoseconds(0),
        chunker: Chunker::FastCdcKeyed { min: 256 << 10, average: 1 << 20, max: 4 << 20 },
        image_chunk_bytes: 1 << 20,
        bundle_bytes_target: 512 << 10,
        compression: Compression::at_level(3),
        reader_public: reader().public(),
    }
}

fn record(root: ObjectId) -> Result<Vec<u8>> {
    let draft = Draft {
        repository: REPOSITORY,
        series: Series::new("bench:/mark").context("a bad name")?,
        sequence: 0,
        previous: None,
        captured: Time::from_nanoseconds(5),
        status: Status::Complete,
        root,
        entries: 1,
        bytes: 1,
    };
    let private = Private {
        epoch: Epoch::FIRST,
        root_seed: Seed::from_bytes([5; 32]),
        root_bytes: 1,
        content: ContentId::from_bytes([6; 32]),
        counts: Counts { files: 1, folders: 0, symlinks: 0, hard_links: 0, others: 0 },
        host: "bench".to_owned(),
        user: "bench".to_owned(),
        program: "mark".to_owned(),
        paths: Vec::new(),
        tags: Vec::new(),
    };
    let agent = AgentIdentity::from_bytes(&[7; 32]);
    let snapshot = Snapshot::sign(draft, &private, &reader().public(), &agent, |bytes| bytes.fill(8));
    Ok(snapshot.context("the labels are too long")?.encode())
}
