//! Both ways of reading give what `std::fs::read` gives, and say why where there is nothing to give.

use std::ffi::CString;
use std::fs;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use proptest::collection::vec;
use proptest::proptest;
use proptest::test_runner::Config;
use rustix::fs::CWD;
use rustix::fs::mkfifoat;
use rustix::process::geteuid;
use tempfile::TempDir;

use super::*;

/// Both ways; a kernel that does not allow io_uring has only one.
fn fetchers() -> Vec<(&'static str, Fetcher)> {
    let mut fetchers = vec![("plain", Fetcher::new(Backend::Sync).expect("plain calls always work"))];
    if let Ok(ring) = Fetcher::new(Backend::IoUring) {
        fetchers.push(("ring", ring));
    }
    fetchers
}

/// Reads files of one folder, each expected to have that many bytes.
fn fetch(
    fetcher: &mut Fetcher,
    folder: &Path,
    wanted: &[(String, usize)],
) -> (Vec<u8>, Vec<Result<Fetched, FetchError>>) {
    let folder = File::open(folder).expect("a folder");
    let names = wanted.iter().map(|(name, _)| CString::new(name.as_bytes()).expect("no zero in it"));
    let names = names.collect::<Vec<_>>();
    let requests = names.iter().zip(wanted).map(|(name, (_, expected_bytes))| Request {
        folder: folder.as_fd(),
        name,
        expected_bytes: *expected_bytes,
    });
    let requests = requests.collect::<Vec<_>>();
    let mut buffer = vec![0xee; requests.iter().map(Request::room_bytes).sum()];
    let results = fetcher.fetch(&requests, &mut buffer);
    assert_eq!(results.len(), wanted.len());
    (buffer, results)
}

fn one(
    fetcher: &mut Fetcher,
    folder: &Path,
    name: &str,
    expected_bytes: usize,
) -> Result<Fetched, FetchError> {
    let (_, mut results) = fetch(fetcher, folder, &[(name.into(), expected_bytes)]);
    results.pop().expect("one result")
}

proptest! {
    #![proptest_config(Config { cases: 24, ..Config::default() })]

    #[test]
    fn many_files_are_read_as_one_by_one(lengths in vec(0..9000_usize, 0..200), missing in 2..9_usize) {
        let folder = TempDir::new().expect("a temporary folder");
        let mut wanted = Vec::new();
        for (number, length) in lengths.iter().enumerate() {
            let name = format!("file {number}");
            if number % missing != 0 {
                let bytes = (0..=250_u8).cycle().skip(number).take(*length).collect::<Vec<_>>();
                fs::write(folder.path().join(&name), bytes).expect("room");
            }
            wanted.push((name, *length));
        }
        for (way, mut fetcher) in fetchers() {
            for _again in 0..2 {
                let (buffer, results) = fetch(&mut fetcher, folder.path(), &wanted);
                for ((name, _), result) in wanted.iter().zip(results) {
                    let path = folder.path().join(name);
                    match (fs::read(&path), result) {
                        (Ok(bytes), Ok(fetched)) => {
                            assert_eq!(buffer[fetched.range.clone()], bytes, "{way}: {name}");
                            let metadata = fs::metadata(&path).expect("there");
                            assert_eq!(fetched.identity.inode, metadata.ino());
                            assert_eq!(fetched.identity.device, metadata.dev());
                            assert_eq!(fetched.identity.bytes, metadata.len());
                            assert_eq!(fetched.identity.modified_ns, metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec());
                            assert_eq!(fetched.identity.changed_ns, metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec());
                        }
                        (Err(_), Err(FetchError::Io(error))) => {
                            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{way}: {name}");
                        }
                        (expected, found) => panic!("{way}: {name}: {expected:?} but {found:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_file_that_grew_is_not_read_in_part() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("file"), [1; 100]).expect("room");
    for (way, mut fetcher) in fetchers() {
        let grown = one(&mut fetcher, folder.path(), "file", 99);
        assert!(matches!(grown, Err(FetchError::Grown { bytes: 100 })), "{way}: {grown:?}");
        assert_eq!(
            one(&mut fetcher, folder.path(), "file", 100).expect("as expected").range,
            0..100,
            "{way}"
        );
    }
}

#[test]
fn a_file_that_shrank_is_read_as_it_is() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("file"), [1; 100]).expect("room");
    for (way, mut fetcher) in fetchers() {
        let fetched = one(&mut fetcher, folder.path(), "file", 5000).expect("shorter than expected");
        assert_eq!((fetched.range, fetched.identity.bytes), (0..100, 100), "{way}");
    }
}

#[test]
fn a_file_that_changes_between_opening_and_closing_is_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("file");
    let handle = File::open(folder.path()).expect("a folder");
    let request = Request { folder: handle.as_fd(), name: c"file", expected_bytes: 5000 };
    let after = |change: &dyn Fn()| {
        let mut buffer = vec![0; request.room_bytes()];
        fs::write(&path, [1; 100]).expect("room");
        let opened = Opened::new(&request, Slot { start: 0, bytes: &mut buffer }).expect("a regular file");
        change();
        opened.read(0)
    };
    let rewritten = |bytes: usize| after(&|| fs::write(&path, vec![2; bytes]).expect("room"));
    assert!(matches!(rewritten(101), Err(FetchError::Changed)), "longer");
    assert!(matches!(rewritten(99), Err(FetchError::Changed)), "shorter");
    assert!(matches!(rewritten(6000), Err(FetchError::Grown { bytes: 6000 })), "beyond the slot");
    let removed = after(&|| fs::remove_file(&path).expect("there"));
    assert!(matches!(removed, Err(FetchError::Changed)), "its last name is gone, and with it the link count");
    assert_eq!(after(&|| ()).expect("unchanged").range, 0..100);
}

#[test]
fn reads_that_the_kernel_left_short_or_undone_are_finished() {
    let folder = TempDir::new().expect("a temporary folder");
    let bytes = (0..=250_u8).cycle().take(9000).collect::<Vec<_>>();
    fs::write(folder.path().join("file"), &bytes).expect("room");
    let handle = File::open(folder.path()).expect("a folder");
    let request = Request { folder: handle.as_fd(), name: c"file", expected_bytes: 9000 };
    let results: [fn() -> io::Result<usize>; 4] =
        [|| Ok(4096), || Ok(0), || Err(Errno::AGAIN.into()), || Err(Errno::CANCELED.into())];
    for result in results {
        let mut buffer = vec![0; request.room_bytes()];
        let done = result().unwrap_or(0);
        buffer[..done].copy_from_slice(&bytes[..done]);
        let opened = Opened::new(&request, Slot { start: 0, bytes: &mut buffer }).expect("a regular file");
        assert_eq!(opened.conclude_read(result()).expect("finished").range, 0..9000);
        assert_eq!(buffer[..9000], bytes);
    }
    let mut buffer = vec![0; request.room_bytes()];
    let opened = Opened::new(&request, Slot { start: 0, bytes: &mut buffer }).expect("a regular file");
    assert!(matches!(opened.conclude_read(Err(Errno::IO.into())), Err(FetchError::Io(_))));
}

#[test]
fn nothing_but_regular_files_is_read() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("file"), b"behind the link").expect("room");
    symlink("file", folder.path().join("link")).expect("room");
    symlink("nowhere", folder.path().join("dangling")).expect("room");
    fs::create_dir(folder.path().join("folder")).expect("room");
    mkfifoat(CWD, folder.path().join("fifo"), Mode::from(0o600)).expect("room");
    let _listener = UnixListener::bind(folder.path().join("socket")).expect("room");
    for (way, mut fetcher) in fetchers() {
        for name in ["link", "dangling", "folder", "fifo", "socket"] {
            let refused = one(&mut fetcher, folder.path(), name, 100);
            assert!(matches!(refused, Err(FetchError::NotRegular)), "{way}: {name}: {refused:?}");
        }
        one(&mut fetcher, folder.path(), "file", 15).expect("a regular file");
    }
    let devices = Path::new("/dev");
    for (way, mut fetcher) in fetchers() {
        assert!(matches!(one(&mut fetcher, devices, "zero", 100), Err(FetchError::NotRegular)), "{way}");
    }
}

#[test]
fn an_unreadable_file_is_an_error_of_its_own() {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, mode) in [("secret", 0o000), ("open", 0o600)] {
        fs::write(folder.path().join(name), b"text").expect("room");
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).expect("own file");
    }
    for (way, mut fetcher) in fetchers() {
        let (_, results) = fetch(&mut fetcher, folder.path(), &[("secret".into(), 4), ("open".into(), 4)]);
        let denied = matches!(&results[0], Err(FetchError::Io(error)) if error.kind() == io::ErrorKind::PermissionDenied);
        // The superuser reads everything.
        assert!(denied || geteuid().is_root(), "{way}: {results:?}");
        assert!(results[1].is_ok(), "{way}: {results:?}");
    }
}

#[test]
fn names_that_are_not_text_are_read() {
    let folder = TempDir::new().expect("a temporary folder");
    let name = CString::new(vec![0xff, b'\n', 0xc0]).expect("no zero in it");
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(name.as_bytes())), b"text").expect("room");
    let handle = File::open(folder.path()).expect("a folder");
    let request = Request { folder: handle.as_fd(), name: &name, expected_bytes: 4 };
    for (way, mut fetcher) in fetchers() {
        let results = fetcher.fetch(&[request], &mut [0; 5]);
        assert_eq!(results[0].as_ref().expect("there").range, 0..4, "{way}");
    }
}

#[test]
#[should_panic(expected = "the buffer has room for all")]
fn a_buffer_that_is_too_small_is_the_callers_fault() {
    let handle = File::open("/").expect("a folder");
    let request = Request { folder: handle.as_fd(), name: c"etc", expected_bytes: 4 };
    let mut fetcher = Fetcher::new(Backend::Auto).expect("one of them works");
    let _ = fetcher.fetch(&[request], &mut [0; 4]);
}
