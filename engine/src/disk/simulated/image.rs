//! What is on the simulated disk at one moment ([`Image`]), and one change of it ([`Change`]).
//!
//! Two images are kept, the live one and the durable one, and a list of changes that lie between them. A crash state
//! is the durable image with some of those changes applied.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::path::Component;
use std::path::Path;

use super::crash::Fate;
use crate::limits::SECTOR_BYTES;

/// Place of a file or folder in an image; the same in the live and the durable one. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(usize);

#[derive(Debug, Clone)]
pub(super) enum Node {
    File(Vec<u8>),
    Folder(BTreeMap<OsString, NodeId>),
}

#[derive(Debug, Clone)]
pub(super) struct Image {
    nodes: Vec<Node>,
}

/// The root folder of every image.
pub(super) const ROOT: NodeId = NodeId(0);

impl Image {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::Folder(BTreeMap::new())] }
    }

    /// Takes in a node that no folder names yet.
    pub(super) fn admit(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    pub(super) fn find(&self, path: &Path) -> Option<NodeId> {
        let mut node = ROOT;
        for component in path.components() {
            let Component::Normal(name) = component else { return None };
            node = *self.folder(node)?.get(name)?;
        }
        Some(node)
    }

    pub(super) fn folder(&self, node: NodeId) -> Option<&BTreeMap<OsString, NodeId>> {
        match &self.nodes[node.0] {
            Node::Folder(names) => Some(names),
            Node::File(_) => None,
        }
    }

    pub(super) fn file(&self, node: NodeId) -> Option<&Vec<u8>> {
        match &self.nodes[node.0] {
            Node::File(bytes) => Some(bytes),
            Node::Folder(_) => None,
        }
    }

    pub(super) fn file_mut(&mut self, node: NodeId) -> Option<&mut Vec<u8>> {
        match &mut self.nodes[node.0] {
            Node::File(bytes) => Some(bytes),
            Node::Folder(_) => None,
        }
    }

    fn folder_mut(&mut self, node: NodeId) -> Option<&mut BTreeMap<OsString, NodeId>> {
        match &mut self.nodes[node.0] {
            Node::Folder(names) => Some(names),
            Node::File(_) => None,
        }
    }

    /// Calls `visit` for every file that can be reached, with its path below `folder`, in path order.
    pub(super) fn walk(&self, folder: NodeId, above: &Path, visit: &mut impl FnMut(&Path, NodeId, &[u8])) {
        for (name, node) in self.folder(folder).into_iter().flatten() {
            let path = above.join(name);
            match &self.nodes[node.0] {
                Node::File(bytes) => visit(&path, *node, bytes),
                Node::Folder(_) => self.walk(*node, &path, visit),
            }
        }
    }

    /// Bytes of all files that can be reached.
    pub(super) fn used_bytes(&self) -> usize {
        let mut used = 0;
        self.walk(ROOT, Path::new(""), &mut |_, _, bytes| used += bytes.len());
        used
    }
}

/// One change, of the bytes of a file or of the names in a folder.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { file: NodeId, offset: usize, bytes: Vec<u8> },
    Length { file: NodeId, bytes: usize },
    Link { folder: NodeId, name: OsString, node: NodeId },
    Unlink { folder: NodeId, name: OsString, node: NodeId },
    Rename { from_folder: NodeId, from: OsString, folder: NodeId, to: OsString, node: NodeId },
}

impl Change {
    /// The file or folder whose sync makes this durable.
    pub(super) fn owner(&self) -> NodeId {
        match self {
            Self::Write { file, .. } | Self::Length { file, .. } => *file,
            Self::Link { folder, .. } | Self::Unlink { folder, .. } | Self::Rename { folder, .. } => *folder,
        }
    }

    /// Carries the change out as its fate wants it.
    pub(super) fn apply(&self, image: &mut Image, fate: Fate) {
        match self {
            Self::Write { file, offset, bytes } => {
                let into = image.file_mut(*file).expect("writes are logged for files only");
                write_as(into, *offset, bytes, fate);
            }
            _ if !fate.keeps_metadata() => {}
            Self::Length { file, bytes } => {
                image.file_mut(*file).expect("lengths are logged for files only").resize(*bytes, 0);
            }
            Self::Link { folder, name, node } => {
                names(image, *folder).insert(name.clone(), *node);
            }
            Self::Unlink { folder, name, node } => {
                take(image, *folder, name, *node);
            }
            Self::Rename { from_folder, from, folder, to, node } => {
                if take(image, *from_folder, from, *node) {
                    names(image, *folder).insert(to.clone(), *node);
                }
            }
        }
    }
}

/// Takes the name of a node away. False if the name is not there, because an earlier change was lost.
fn take(image: &mut Image, folder: NodeId, name: &OsStr, node: NodeId) -> bool {
    let names = names(image, folder);
    let there = names.get(name) == Some(&node);
    if there {
        names.remove(name);
    }
    there
}

fn names(image: &mut Image, folder: NodeId) -> &mut BTreeMap<OsString, NodeId> {
    image.folder_mut(folder).expect("names are logged for folders only")
}

fn write_as(file: &mut Vec<u8>, offset: usize, bytes: &[u8], fate: Fate) {
    let end = offset + bytes.len();
    match fate {
        Fate::Lost => {}
        Fate::Kept => {
            grow(file, end);
            file[offset..end].copy_from_slice(bytes);
        }
        Fate::Hollow => grow(file, end),
        Fate::Torn { sectors } => {
            for (index, sector) in (offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES)).enumerate() {
                if sectors >> (index % 64) & 1 == 1 {
                    let first = offset.max(sector * SECTOR_BYTES);
                    let last = end.min((sector + 1) * SECTOR_BYTES);
                    grow(file, last);
                    file[first..last].copy_from_slice(&bytes[first - offset..last - offset]);
                }
            }
        }
    }
}

fn grow(file: &mut Vec<u8>, bytes: usize) {
    if file.len() < bytes {
        file.resize(bytes, 0);
    }
}
