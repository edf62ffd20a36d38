//! The scan: the walk of the source merged with the rows of the last snapshot.
//!
//! Both come in path order. What has the same stat in both is taken over; everything else is looked at, and files are
//! read.

use std::collections::HashSet;

use farkeep_codec::id::ContentHash;
use farkeep_codec::tree::Attribute;
use farkeep_codec::tree::PathKey;

use super::BackupError;
use super::catalogue::BundleNumber;
use super::catalogue::Row;
use super::catalogue::RowContent;
use super::catalogue::Rows;
use super::catalogue::Stamp;
use super::entry::DetailBody;
use super::entry::ancestor_stamp;
use super::entry::hard_link_of;
use super::entry::is_ancestor;
use super::entry::stamp;
use super::line::Fresh;
use super::line::Line;
use super::line::Purpose;
use super::links::Links;
use crate::source::Amount;
use crate::source::Found;
use crate::source::Kind;
use crate::source::Role;
use crate::source::Walker;

/// The scan in progress.
pub(super) struct Scan<'a, 'b> {
    line: &'b mut Line<'a>,
    rows: Rows,
    /// The bundles that were stored before the run: what a row of the last snapshot names is one of these. A number that is
    /// given to a new bundle may be one that rows of a run which was cut still name, and means another bundle then.
    stored: HashSet<BundleNumber>,
    links: Links,
    /// What the progress was told to expect.
    expected: Amount,
}

impl<'a, 'b> Scan<'a, 'b> {
    /// Merges the walk into `line` with `rows`, those of the last snapshot.
    pub(super) fn new(line: &'b mut Line<'a>, rows: Rows) -> Self {
        let stored = line.bundles.stored().map(|(number, _)| number).collect();
        Self { line, rows, stored, links: Links::default(), expected: Amount::default() }
    }

    /// Takes the whole walk.
    pub(super) fn run(mut self, mut walk: Walker) -> Result<(), BackupError> {
        tracing::debug!("the walk is merged with {} bundles that are known", self.stored.len());
        while let Some(item) = walk.next() {
            self.expect(walk.found());
            match item {
                Ok(found) => self.found(found)?,
                Err(missed) => {
                    let why = crate::output::chain_about(&missed.path, &missed);
                    self.line.figures.miss(missed.path, why);
                }
            }
        }
        tracing::debug!("the walk ended, with {} entries below the roots", self.expected.entries);
        if self.rows.peek().is_some() {
            self.line.writer.diverge()?;
        }
        self.line.finish()
    }

    /// Raises what is expected to what the walk, which runs ahead, has found.
    fn expect(&mut self, found: Amount) {
        if found != self.expected {
            let (entries, bytes) = (found.entries - self.expected.entries, found.bytes - self.expected.bytes);
            self.line.shared.progress.expect_more(entries, bytes);
            self.expected = found;
        }
    }

    fn found(&mut self, found: Found) -> Result<(), BackupError> {
        self.skip_rows_before(&found.path)?;
        let first = self.links.first(&found.path, &found.stat);
        let matching = self.rows.peek().filter(|row| row.path == found.path.as_bytes());
        let Some(row) = matching else { return self.take(found, first.as_ref(), None) };
        if is_unchanged(row, &found, first.as_ref()) && self.is_stored(row)? {
            self.keep(&found, first.as_ref())?;
        } else {
            // Another row takes its place, or none does when it cannot be read.
            self.line.writer.diverge()?;
            let before =
                (row.hash, if self.is_stored(row)? { row.content.clone() } else { RowContent::None });
            self.take(found, first.as_ref(), Some(before))?;
        }
        self.rows.advance();
        Ok(())
    }

    fn keep(&mut self, found: &Found, first: Option<&PathKey>) -> Result<(), BackupError> {
        let Some(row) = self.rows.peek() else { return Ok(()) };
        if found.stat.kind == Kind::File && first.is_none() {
            self.line.figures.files_unchanged += 1;
            if self.rows.is_from_cut() {
                let resumed_bytes = &mut self.line.figures.resumed_bytes;
                *resumed_bytes = resumed_bytes.saturating_add(found.stat.size);
            }
        }
        self.line.keep(row, self.rows.position())
    }

    /// Rows whose paths are not there any more.
    fn skip_rows_before(&mut self, path: &PathKey) -> Result<(), BackupError> {
        while self.rows.peek().is_some_and(|row| row.path.as_slice() < path.as_bytes()) {
            self.line.writer.diverge()?;
            self.rows.advance();
        }
        Ok(())
    }

    /// Whether the repository has what the row refers to. The complete catalogue's root was seen there, and with it
    /// everything below; the rows of a cut run are asked for one by one.
    fn is_stored(&self, row: &Row) -> Result<bool, BackupError> {
        let repository = self.line.shared.repository;
        Ok(match &row.content {
            RowContent::None => true,
            RowContent::Slice(place) => self.stored.contains(&place.bundle),
            _ if !self.rows.is_from_cut() => true,
            RowContent::Chunks(pointers, _) => {
                for chunk in pointers {
                    if !repository.assume(&chunk.id)? {
                        return Ok(false);
                    }
                }
                true
            }
            RowContent::List(root, ..) => repository.assume(&root.id)?,
        })
    }

    /// Looks at something that is new or differs.
    fn take(
        &mut self,
        found: Found,
        first: Option<&PathKey>,
        before: Option<(Option<ContentHash>, RowContent)>,
    ) -> Result<(), BackupError> {
        if found.role == Role::Ancestor {
            return self.put(&found, ancestor_stamp(&found.stat), DetailBody::Ancestor, &[]);
        }
        let device = found.stat.rdev;
        let target;
        let body = match (found.stat.kind, first) {
            (_, Some(first)) => DetailBody::HardLink(first.as_bytes()),
            (Kind::File, None) => return self.line.read(Fresh { found, purpose: Purpose::Backup(before) }),
            (Kind::Folder, _) => DetailBody::Folder,
            (Kind::Symlink, _) => {
                target = match found.link_target() {
                    Ok(target) => target,
                    Err(error) => return self.line.miss(&found, &error),
                };
                DetailBody::Symlink(&target)
            }
            (Kind::Fifo, _) => DetailBody::Fifo,
            (Kind::Socket, _) => DetailBody::Socket,
            (Kind::CharDevice, _) => DetailBody::CharDevice(device.major, device.minor),
            (Kind::BlockDevice, _) => DetailBody::BlockDevice(device.major, device.minor),
        };
        let attributes = match body {
            // They belong to the file, and the first link has them.
            DetailBody::HardLink(_) => Vec::new(),
            _ => match found.attributes() {
                Ok(attributes) => attributes,
                Err(error) => return self.line.miss(&found, &error),
            },
        };
        self.put(&found, stamp(&found.stat), body, &attributes)
    }

    /// Puts something without contents of its own into the line, if the format has room for it.
    fn put(
        &mut self,
        found: &Found,
        stamp: Stamp,
        body: DetailBody<'_>,
        attributes: &[Attribute],
    ) -> Result<(), BackupError> {
        match self.line.row(&found.path, stamp, body, attributes) {
            Ok(row) => self.line.ready(row),
            Err(unfit) => self.line.miss(found, &unfit),
        }
    }
}

/// Whether nothing about it can have changed since the row was written.
fn is_unchanged(row: &Row, found: &Found, first: Option<&PathKey>) -> bool {
    let now = match found.role {
        Role::Ancestor => ancestor_stamp(&found.stat),
        Role::Member => stamp(&found.stat),
    };
    let same_role = is_ancestor(&row.detail) == (found.role == Role::Ancestor);
    row.settled && row.stamp == now && same_role && hard_link_of(&row.detail) == first.map(PathKey::as_bytes)
}
