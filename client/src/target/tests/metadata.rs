//! What a restored file or folder has beside its contents: owner, rights, access lists, attributes, capabilities.

use std::fs;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use farkeep_codec::tree::Attribute;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Owner;

use super::create;
use super::entry;
use super::file_entry;
use super::is_root;
use super::key;
use super::me;
use super::mode;
use super::open;
use super::room;
use super::skip;
use crate::target::Made;
use crate::target::Owners;
use crate::target::Target;

#[test]
fn a_default_access_list_of_the_target_is_not_passed_on() {
    let place = room();
    // Version 2; user::rwx, user 1:rwx, group::rwx, mask::rwx, other::---
    let acl: Vec<u8> =
        [(1_u16, 7_u16, u32::MAX), (2, 7, 1), (4, 7, u32::MAX), (16, 7, u32::MAX), (32, 0, u32::MAX)]
            .iter()
            .flat_map(|(tag, rights, id)| {
                [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
            })
            .collect();
    let acl = [&2_u32.to_le_bytes()[..], &acl].concat();
    let flags = rustix::fs::XattrFlags::empty();
    if let Err(error) = rustix::fs::setxattr(place.path(), "system.posix_acl_default", &acl, flags) {
        skip("access lists", &error);
        return;
    }
    let target = open(&place);
    create(&target, "file", 0o664, b"").expect("it is new");
    target.make_folder(&key("folder")).expect("it is new");
    create(&target, "folder/file", 0o664, b"").expect("it is new");
    target.finish_folder(&key("folder"), &entry(0o750, Body::Folder)).expect("it is ours");
    for (name, wanted) in [("file", 0o664), ("folder", 0o750), ("folder/file", 0o664)] {
        let path = place.path().join(name);
        assert_eq!(mode(&path), wanted, "{name}");
        let opened = File::open(&path).expect("it opens");
        let attributes = crate::source::attributes::of_open(&opened).expect("they can be read");
        assert!(attributes.is_empty(), "{name}: {attributes:?}");
    }
    // One that is wanted is set, and the mode is what was recorded with it.
    let attribute = Attribute { name: b"system.posix_acl_access".to_vec(), value: acl };
    let with_acl = Entry { attributes: vec![attribute.clone()], ..file_entry(0o770, 0) };
    let file = target.create(&key("with"), &with_acl).expect("it is new");
    target.finish_file(file, &with_acl).expect("it is ours");
    let opened = File::open(place.path().join("with")).expect("it opens");
    assert_eq!(crate::source::attributes::of_open(&opened).expect("they can be read"), [attribute]);
    assert_eq!(mode(&place.path().join("with")), 0o770);
}

#[test]
fn attributes_become_those_of_the_entry() {
    let place = room();
    let target = open(&place);
    create(&target, "file", 0o644, b"x").expect("it is new");
    let attribute = |name: &str, value: &[u8]| Attribute { name: name.into(), value: value.to_vec() };
    let flags = rustix::fs::XattrFlags::empty();
    let path = place.path().join("file");
    let set = |name: &str, value: &[u8]| rustix::fs::setxattr(&path, name, value, flags);
    if let Err(error) = set("user.extra", b"1").and_then(|()| set("user.kept", b"2")) {
        skip("extended attributes", &error);
        return;
    }
    let wanted = vec![attribute("user.kept", b"3"), attribute("user.new", b"")];
    let entry = Entry { attributes: wanted.clone(), ..file_entry(0o644, 1) };
    target.refresh(&key("file"), &entry).expect("it is ours");
    let opened = File::open(&path).expect("it opens");
    assert_eq!(crate::source::attributes::of_open(&opened).expect("they can be read"), wanted);
    assert_eq!(target.notices().count(), 0);
}

#[test]
fn owners_go_by_name_then_number_and_rights_follow_them() {
    let place = room();
    let foreign = Owner { uid: 12345, gid: 54321, user: b"no such user".to_vec(), group: Vec::new() };
    let named = Owner { uid: 12345, gid: 54321, user: b"root".to_vec(), group: b"root".to_vec() };
    let restore = |owners, owner: &Owner, name: &str| {
        let target = Target::open(place.path(), owners).expect("it is there");
        let entry = Entry { owner: Arc::new(owner.clone()), ..file_entry(0o6755, 0) };
        let file = target.create(&key(name), &entry).expect("it is new");
        target.finish_file(file, &entry).expect("a foreign owner is no failure");
        let metadata = fs::metadata(place.path().join(name)).expect("it is there");
        ((metadata.uid(), metadata.gid(), mode(&place.path().join(name))), target.notices().owners)
    };
    if is_root() {
        assert_eq!(restore(Owners::ByName, &foreign, "a"), ((12345, 54321, 0o6755), 0));
        assert_eq!(restore(Owners::ByName, &named, "b"), ((0, 0, 0o6755), 0));
        assert_eq!(restore(Owners::ByNumber, &named, "c"), ((12345, 54321, 0o6755), 0));
    } else {
        let own = me();
        assert_eq!(restore(Owners::ByName, &foreign, "a"), ((own.uid, own.gid, 0o755), 1));
    }
}

#[test]
fn capabilities_survive_the_change_of_owner() {
    if !is_root() {
        skip("capabilities", &"only root can set them");
        return;
    }
    let place = room();
    let target = open(&place);
    // Revision 2, effective, permitted: net_bind_service.
    let value = [0x0200_0001_u32, 1 << 10, 0, 0, 0].map(u32::to_le_bytes).concat();
    let attribute = Attribute { name: b"security.capability".to_vec(), value };
    let owner = Arc::new(Owner { uid: 1234, gid: 1234, ..Owner::default() });
    let entry = Entry { owner, attributes: vec![attribute.clone()], ..file_entry(0o755, 1) };
    let file = target.create(&key("file"), &entry).expect("it is new");
    file.put(0, b"x").expect("it writes");
    target.finish_file(file, &entry).expect("root may");
    let opened = File::open(place.path().join("file")).expect("it opens");
    let attributes = crate::source::attributes::of_open(&opened).expect("they can be read");
    if target.notices().attributes > 0 {
        skip("capabilities", &"this file system takes none");
        return;
    }
    assert_eq!(attributes, [attribute]);
}

#[test]
fn folders_and_files_without_rights_are_still_updated_by_their_owner() {
    let place = room();
    let target = open(&place);
    target.make_folder(&key("folder")).expect("it is new");
    create(&target, "folder/file", 0o400, b"old").expect("it is new");
    create(&target, "folder/extra", 0o000, b"old").expect("it is new");
    target.finish_folder(&key("folder"), &entry(0o500, Body::Folder)).expect("it is ours");

    let again = open(&place);
    assert_eq!(again.make_folder(&key("folder")).expect("it is there"), Made::Existing);
    let new = file_entry(0o400, 3);
    let file = again.update(&key("folder/file"), &new).expect("it is replaced");
    file.put(0, b"new").expect("it writes");
    again.finish_file(file, &new).expect("it is ours");
    again.remove(&key("folder/extra")).expect("it is ours");
    again.finish_folder(&key("folder"), &entry(0o000, Body::Folder)).expect("it is ours");
    assert_eq!(mode(&place.path().join("folder")), 0);

    let third = open(&place);
    third.make_folder(&key("folder")).expect("it is there");
    assert_eq!(fs::read(place.path().join("folder/file")).expect("it reads"), b"new");
    third.finish_folder(&key("folder"), &entry(0o000, Body::Folder)).expect("it is ours");
    assert_eq!(open(&place).remove(&key("folder")).expect("it is ours"), 2);
}
