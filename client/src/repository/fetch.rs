//! Objects out of the store, opened and verified.

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::ObjectView;
use farkeep_codec::object::Pointer;
use farkeep_codec::seal::OpenError;
use farkeep_codec::seal::Sealer;
use farkeep_codec::tree::Node;

use super::Repository;
use super::RepositoryError;

/// Contexts and buffers for opening objects. They grow to the largest object and stay.
pub(super) struct Opener {
    sealer: Sealer,
    sealed: Vec<u8>,
    plain: Vec<u8>,
    references: Vec<ObjectId>,
}

/// Opens the objects of a repository, on one thread.
pub struct Fetcher<'a> {
    repository: &'a Repository,
    /// Always there until the fetcher is dropped.
    opener: Option<Opener>,
}

impl Opener {
    pub(super) fn new(sealer: Sealer) -> Self {
        Self { sealer, sealed: Vec::new(), plain: Vec::new(), references: Vec::new() }
    }
}

impl<'a> Fetcher<'a> {
    pub(super) fn new(repository: &'a Repository, opener: Opener) -> Self {
        Self { repository, opener: Some(opener) }
    }

    /// The repository that the objects come from.
    pub fn repository(&self) -> &'a Repository {
        self.repository
    }

    /// The plaintext of an object. Every byte is verified, before and after it is opened.
    ///
    /// # Errors
    /// When the object is missing or not what the pointer promises.
    pub fn plain(&mut self, pointer: &Pointer) -> Result<&[u8], RepositoryError> {
        let opener = self.fetch(pointer)?;
        Ok(&opener.plain)
    }

    /// A node.
    ///
    /// # Errors
    /// When the object is missing, not what the pointer promises, or no node.
    pub fn node(&mut self, pointer: &Pointer) -> Result<Node, RepositoryError> {
        let opener = self.fetch(pointer)?;
        let malformed = |source| OpenError::Malformed { id: pointer.id, source };
        let view = ObjectView::parse(&opener.sealed).map_err(malformed)?;
        opener.references.clear();
        opener.references.extend(view.references());
        Node::decode(&opener.plain, &opener.references, pointer.epoch)
            .map_err(|source| RepositoryError::Node { node: pointer.id, source })
    }

    /// A node of a tree that is read through: those below it are asked for before they are wanted.
    ///
    /// # Errors
    /// Those of [`node`](Self::node).
    pub fn node_on_the_way(&mut self, pointer: &Pointer) -> Result<Node, RepositoryError> {
        let node = self.node(pointer)?;
        if let Node::Inner { children, .. } = &node {
            let below: Vec<Pointer> = children.iter().map(|child| child.pointer).collect();
            self.repository.soon(&below);
        }
        Ok(node)
    }

    /// The bytes of a small file in the plaintext of its bundle.
    ///
    /// # Errors
    /// [`RepositoryError::Outside`] when they are not all there.
    pub fn slice<'p>(
        bundle: &Pointer,
        plain: &'p [u8],
        offset: u32,
        bytes: u64,
    ) -> Result<&'p [u8], RepositoryError> {
        let start = usize::try_from(offset).ok();
        let end = start.zip(usize::try_from(bytes).ok()).and_then(|(start, bytes)| start.checked_add(bytes));
        let slice = start.zip(end).and_then(|(start, end)| plain.get(start..end));
        slice.ok_or(RepositoryError::Outside { object: bundle.id })
    }

    fn fetch(&mut self, pointer: &Pointer) -> Result<&mut Opener, RepositoryError> {
        let opener = self.opener.as_mut().expect("only dropping takes it");
        self.repository.store.object(&pointer.id, &mut opener.sealed)?;
        // The store compared the bytes with the id.
        opener.sealer.open_identified(&opener.sealed, pointer, &mut opener.plain)?;
        Ok(opener)
    }
}

impl Drop for Fetcher<'_> {
    fn drop(&mut self) {
        if let Some(opener) = self.opener.take() {
            self.repository.give_back(opener);
        }
    }
}
