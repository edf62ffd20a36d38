//! The disk: appending to a pack, and reading many small files.

use std::ffi::CString;
use std::fs;
use std::fs::File;
use std::hint::black_box;
use std::os::fd::AsFd;
use std::path::Path;

use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::Throughput;
use farkeep_benches::limits;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::Disk;
use farkeep_engine::disk::RealDisk;
use farkeep_engine::disk::fetch::Fetcher;
use farkeep_engine::disk::fetch::Request;

use crate::sample;

const PACK_BYTES: usize = 64 << 20;
const FILES: usize = 4_000;
const FILE_BYTES: usize = 4_000;

const BACKENDS: [(&str, Backend); 2] = [("by io_uring", Backend::IoUring), ("by plain calls", Backend::Sync)];

/// One pack, object by object, made durable at its end.
pub(crate) fn append(criterion: &mut Criterion) {
    let object = sample::noise(256 << 10);
    let mut group = criterion.benchmark_group("append a pack");
    group.throughput(Throughput::BytesDecimal(PACK_BYTES as u64)).sample_size(10);
    for (what, backend) in BACKENDS {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let Ok(disk) = RealDisk::open(folder.path(), backend) else { continue };
        let path = Path::new("pack");
        group.bench_function(BenchmarkId::new(what, limits::APPEND), |bench| {
            bench.iter(|| {
                let mut pack = disk.append(path, PACK_BYTES as u64).expect("there is room for a pack");
                for _ in 0..PACK_BYTES / object.len() {
                    pack.write(&object).expect("a pack can be written");
                }
                pack.finish().expect("a pack can be finished");
                disk.remove(path).expect("a pack can be removed");
            });
        });
    }
    group.finish();
}

/// Warm small files, in batches.
pub(crate) fn fetch(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let names: Vec<CString> = (0..FILES).map(|number| named(folder.path(), number)).collect();
    let opened = File::open(folder.path()).expect("the folder was just made");
    let request = |name| Request { folder: opened.as_fd(), name, expected_bytes: FILE_BYTES };
    let requests: Vec<Request<'_>> = names.iter().map(|name| request(name.as_c_str())).collect();
    let mut buffer = vec![0; requests.iter().map(Request::room_bytes).sum()];
    let mut group = criterion.benchmark_group("fetch small files");
    group.throughput(Throughput::Elements(FILES as u64)).sample_size(20);
    for (what, backend) in BACKENDS {
        let Ok(mut fetcher) = Fetcher::new(backend) else { continue };
        group.bench_function(BenchmarkId::new(what, limits::FETCH_SMALL), |bench| {
            bench.iter(|| {
                let fetched = fetcher.fetch(&requests, &mut buffer);
                assert!(fetched.iter().all(Result::is_ok));
                black_box(fetched.len())
            });
        });
    }
    group.finish();
}

fn named(folder: &Path, number: usize) -> CString {
    let name = format!("file {number:05}");
    fs::write(folder.join(&name), vec![7; FILE_BYTES]).expect("a small file can be written");
    CString::new(name).expect("the name has no zero byte")
}
