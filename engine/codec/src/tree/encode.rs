//! Writing a node of any kind from its values: the other direction of `Node::decode`, to hold that to its laws.
//! Trees are built by `Builder`, which never has all of a node's values in one place.

use crate::id::ObjectId;
use crate::layout::Writer;
use crate::tree::inner;
use crate::tree::leaf::LeafWriter;
use crate::tree::list;
use crate::tree::node::Node;

/// The plaintext of a node, and the references of its object.
pub(crate) fn encode(node: &Node) -> (Vec<u8>, Vec<ObjectId>) {
    let mut writer = Writer::new();
    let references = match node {
        Node::Leaf(entries) => {
            let mut leaf = LeafWriter::new();
            entries.iter().for_each(|entry| leaf.push(entry));
            leaf.write(&mut writer);
            leaf.pointers().iter().map(|pointer| pointer.id).collect()
        }
        Node::Inner { level, children } => {
            inner::write(&mut writer, *level, children);
            children.iter().map(|child| child.pointer.id).collect()
        }
        Node::List { height, pointers, bytes } => {
            let items: Vec<_> = pointers.iter().copied().zip(bytes.iter().copied()).collect();
            list::write(&mut writer, *height, &items)
        }
    };
    (writer.into_bytes(), references)
}
