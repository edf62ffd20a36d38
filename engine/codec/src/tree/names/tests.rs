use super::*;
use crate::tree::samples::path;

fn read(bytes: &[u8], count: usize) -> Option<Vec<PathKey>> {
    let mut reader = Reader::new(bytes);
    let mut names = NameReader::read(&mut reader, count).ok()?;
    let mut keys: Vec<PathKey> = Vec::new();
    for _ in 0..count {
        let bytes = names.next_bytes();
        let key = names.next(keys.last())?;
        assert_eq!(key.as_bytes().len(), bytes);
        keys.push(key);
    }
    reader.finish().ok()?;
    Some(keys)
}

#[test]
fn keys_are_written_by_what_is_new() {
    let keys = ["", "home", "home/ann", "home/anna", "tmp"].map(path);
    let mut names = NameWriter::default();
    keys.iter().for_each(|key| names.push(key.as_bytes()));
    let mut writer = Writer::new();
    names.write(&mut writer);
    assert_eq!(writer.as_bytes(), b"/home/\0ann/a/tmp/\x00\x00\x04\x08\x00");
    assert_eq!(read(writer.as_bytes(), 5).as_deref(), Some(&keys[..]));
}

#[test]
fn a_key_has_one_form() {
    let fails = |bytes: &[u8], count| assert_eq!(read(bytes, count), None, "{bytes:?}");
    assert!(read(b"ab/c/\x00\x01", 2).is_some());
    fails(b"ab/c/\x01\x01", 2); // the first key shares nothing
    fails(b"ab/ac/\x00\x00", 2); // shares more than it says
    fails(b"ab/b/\x00\x01", 2); // the same key again
    fails(b"ab/a/\x00\x01", 2); // falls
    fails(b"ab//\x00\x01", 2); // falls: only the front of the key before
    fails(b"ab/c/\x00\x03", 2); // shares more than there is
    fails(b"ab/c/\x00", 2); // ends too early
    fails(b"abc", 1); // no end of the name
    fails(b"ab/", usize::MAX); // more keys than bytes
    fails(b"a\0../\x00", 1); // no path
    fails(b"ab/\0/\x00\x02", 2); // no path by its end
}
