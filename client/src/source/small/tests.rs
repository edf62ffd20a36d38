use std::ffi::OsStr;
use std::fs;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::limits::SMALL_FILE_BYTES_MAX;
use rustix::fs::XattrFlags;
use tempfile::TempDir;

use super::Small;
use super::SmallFiles;
use crate::source::Effort;
use crate::source::Found;
use crate::source::Kind;
use crate::source::Missing;
use crate::source::ReadError;
use crate::source::Role;
use crate::source::Roots;
use crate::source::Rules;
use crate::source::Steadiness;
use crate::source::Walker;

fn room() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn files(root: &Path) -> Vec<Found> {
    let roots = Roots::new(&[root.to_owned()], Missing::Refuse).expect("it is there");
    let walk =
        Walker::new(&roots, Rules::default(), Effort::default()).map(|item| item.expect("it can be read"));
    walk.filter(|found| found.role == Role::Member && found.stat.kind == Kind::File).collect()
}

fn path_of(file: &Found) -> PathBuf {
    file.path.components().fold(PathBuf::from("/"), |path, name| path.join(OsStr::from_bytes(name)))
}

fn contents_of(small: &Small, buffer: &[u8]) -> Vec<u8> {
    match small {
        Small::Read(small) => {
            assert_eq!(small.steadiness, Steadiness::Steady);
            assert_eq!(small.stat.size, small.range.len() as u64);
            buffer[small.range.clone()].to_vec()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_is_what_the_files_hold_also_in_a_used_buffer() {
    let place = room();
    for at in 0..300_usize {
        let folder = place.path().join(format!("{}", at % 9));
        fs::create_dir_all(&folder).expect("it can be made");
        fs::write(folder.join(format!("{at}")), vec![at.to_le_bytes()[0]; at * at % 90_000])
            .expect("it writes");
    }
    let found = files(place.path());
    let mut reader = SmallFiles::new().expect("a reader");
    let mut buffer = vec![99; 1000];
    for batch in [found.as_slice(), &found[..50], &[]] {
        let outcomes = reader.read(batch, &mut buffer);
        assert_eq!(outcomes.len(), batch.len());
        for (file, small) in batch.iter().zip(&outcomes) {
            assert!(contents_of(small, &buffer) == fs::read(path_of(file)).expect("it reads"), "{file:?}");
        }
    }
}

#[test]
fn files_that_are_not_what_was_listed_are_read_as_they_are_or_fail() {
    let place = room();
    let at = |name: &str| place.path().join(name);
    for name in ["a grows", "b shrinks", "c vanishes", "d exchanged", "e same", "f outgrows", "g mode"] {
        fs::write(at(name), b"0123456789").expect("it writes");
    }
    let found = files(place.path());
    fs::write(at("a grows"), vec![1; 5000]).expect("it writes");
    fs::write(at("b shrinks"), b"012").expect("it writes");
    fs::rename(at("c vanishes"), at("z")).expect("it is ours");
    fs::write(at("new"), b"another").expect("it writes");
    fs::rename(at("new"), at("d exchanged")).expect("it is ours");
    let outgrown = usize::try_from(SMALL_FILE_BYTES_MAX).expect("small") + 1;
    fs::write(at("f outgrows"), vec![1; outgrown]).expect("it writes");
    rustix::fs::chmod(at("g mode"), rustix::fs::Mode::RUSR).expect("it is ours");

    let mut buffer = Vec::new();
    let outcomes = SmallFiles::new().expect("a reader").read(&found, &mut buffer);
    let [grown, shrunk, vanished, exchanged, same, outgrown, mode] = outcomes.as_slice() else {
        panic!("{outcomes:?}");
    };
    assert_eq!(contents_of(grown, &buffer), vec![1; 5000]);
    assert_eq!(contents_of(shrunk, &buffer), b"012");
    assert!(matches!(vanished, Small::Failed(ReadError::Vanished)), "{vanished:?}");
    assert!(matches!(exchanged, Small::Failed(ReadError::Replaced)), "{exchanged:?}");
    assert_eq!(contents_of(same, &buffer), b"0123456789");
    assert!(matches!(outgrown, Small::NotSmall), "{outgrown:?}");
    assert!(matches!(mode, Small::Read(small) if small.stat.mode == 0o400), "{mode:?}");
}

#[test]
fn files_with_holes_are_not_small_and_attributes_come_along() {
    let place = room();
    File::create(place.path().join("a")).expect("it is new").set_len(100_000).expect("it grows");
    fs::write(place.path().join("b"), b"x").expect("it writes");
    let set = rustix::fs::setxattr(place.path().join("b"), "user.a", b"1", XattrFlags::empty());
    let outcomes = SmallFiles::new().expect("a reader").read(&files(place.path()), &mut Vec::new());
    let [sparse, plain] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert!(matches!(sparse, Small::NotSmall), "{sparse:?}");
    assert!(
        matches!(plain, Small::Read(small) if small.attributes.len() == usize::from(set.is_ok())),
        "{plain:?}"
    );
}
