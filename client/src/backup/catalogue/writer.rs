//! Writing the catalogue of the snapshot in the making.
//!
//! As long as every row is taken over as it was, nothing is written at all: an unchanged run costs no writing. With
//! the first difference the part before it is copied as it lies, and the rest is written row by row.

use std::fs::File;
use std::fs::OpenOptions;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::object::Pointer;

use super::block::BlockKind;
use super::block::CatalogueError;
use super::block::Lineage;
use super::reader::COMPLETE;
use super::reader::CUT;
use super::reader::CUT_BUNDLES;
use super::reader::GROWING;
use super::reader::GROWING_BUNDLES;
use super::reader::Position;
use super::reader::Previous;
use super::reader::Rows;
use super::reader::head;
use super::reader::read_head;
use super::row::Row;
use super::table::BundleNumber;
use super::table::Bundles;
use super::table::encode_record;
use super::trailer::Trailer;

/// A block of rows ends with the row that reaches this many bytes.
const BLOCK_BYTES: usize = 128 << 10;

/// Writes one catalogue.
pub(crate) struct CatalogueWriter {
    folder: PathBuf,
    base: Option<(PathBuf, Lineage)>,
    base_token: [u8; 16],
    lineage: Lineage,
    state: State,
}

enum State {
    /// Every row so far stands in the base, up to and with this one.
    Following(Option<Position>),
    Writing(Output),
}

struct Output {
    rows: File,
    bundles: File,
    offset: u64,
    next_block: u64,
    next_bundles: u64,
    block: Writer,
    before: Vec<u8>,
}

impl CatalogueWriter {
    /// Begins the catalogue that follows `previous` in the same folder. `bundles` are those that the repository still has,
    /// `token` is 16 random bytes.
    pub(crate) fn begin(
        folder: &Path,
        previous: &Previous,
        bundles: &Bundles,
        token: [u8; 16],
    ) -> Result<Self, CatalogueError> {
        std::fs::create_dir_all(folder)?;
        let base = if previous.was_cut() { None } else { previous.complete().cloned() };
        let lineage =
            base.as_ref().map_or(Lineage { keys: previous.keys().clone(), token }, |(_, base)| base.clone());
        let state = State::Following(None);
        let mut writer =
            Self { folder: folder.to_owned(), base, base_token: previous.token(), lineage, state };
        if previous.was_cut() {
            for (number, stored) in bundles.stored() {
                writer.bundle(number, stored)?;
            }
        }
        Ok(writer)
    }

    /// Takes over the row that stands at `position` in the base, directly behind the one taken over before.
    pub(crate) fn keep(&mut self, row: &Row, position: Option<Position>) -> Result<(), CatalogueError> {
        match (&mut self.state, position) {
            (State::Following(last), Some(position)) => {
                *last = Some(position);
                Ok(())
            }
            _ => self.put(row),
        }
    }

    /// Writes a row that is new or differs.
    pub(crate) fn put(&mut self, row: &Row) -> Result<(), CatalogueError> {
        let lineage = self.lineage.clone();
        self.output()?.row(&lineage, row)
    }

    /// From here on the catalogue differs from its base: a row of it was left out.
    pub(crate) fn diverge(&mut self) -> Result<(), CatalogueError> {
        self.output().map(|_| ())
    }

    /// Records that a bundle was stored, so that a run that is cut can be continued.
    pub(crate) fn bundle(&mut self, number: BundleNumber, stored: &Pointer) -> Result<(), CatalogueError> {
        let lineage = self.lineage.clone();
        self.output()?.log_bundle(&lineage, number, stored)
    }

    /// Whether every row so far was taken over.
    pub(crate) fn is_unchanged(&self) -> bool {
        matches!(self.state, State::Following(_))
    }

    /// Ends the rows and reads them again, to build the tree from them.
    pub(crate) fn written(&mut self, previous: &Previous) -> Result<Rows, CatalogueError> {
        let lineage = self.lineage.clone();
        let output = self.output()?;
        output.end_block(&lineage)?;
        let blocks = output.next_block;
        previous.rows_of(&self.folder.join(GROWING), &lineage, blocks)
    }

    /// Begins the rows anew, and reads those written so far, to write them once more with other places.
    pub(crate) fn rewrite(&mut self, previous: &Previous) -> Result<Rows, CatalogueError> {
        let written = self.written(previous)?;
        remove(&self.folder.join(GROWING))?;
        let path = self.folder.join(GROWING);
        let base_token = self.base_token;
        let lineage = self.lineage.clone();
        let output = self.output()?;
        output.rows = create(&path)?;
        output.offset = 0;
        output.next_block = 0;
        output.write(&lineage, BlockKind::Head, &head(&lineage, base_token))?;
        Ok(written)
    }

    /// Completes the catalogue and puts it in the place of the one before.
    pub(crate) fn finish(mut self, trailer: &Trailer, bundles: &Bundles) -> Result<(), CatalogueError> {
        let lineage = self.lineage.clone();
        let output = self.output()?;
        output.end_block(&lineage)?;
        let (offset, number) = (output.offset, output.next_block);
        let mut table = Writer::new();
        bundles.encode(&mut table);
        output.write(&lineage, BlockKind::Bundles, table.as_bytes())?;
        output.write(&lineage, BlockKind::Trailer, &trailer.encode())?;
        output.rows.write_all(&[offset.to_le_bytes(), number.to_le_bytes()].concat())?;
        std::fs::rename(self.folder.join(GROWING), self.folder.join(COMPLETE))?;
        for name in [CUT, GROWING_BUNDLES, CUT_BUNDLES] {
            remove(&self.folder.join(name))?;
        }
        Ok(())
    }

    fn output(&mut self) -> Result<&mut Output, CatalogueError> {
        if let State::Following(last) = self.state {
            let output = self.begin_output(last)?;
            self.state = State::Writing(output);
        }
        match &mut self.state {
            State::Writing(output) => Ok(output),
            State::Following(_) => unreachable!("the lines above left this state"),
        }
    }

    /// Opens the growing files and copies what was taken over so far.
    fn begin_output(&self, last: Option<Position>) -> Result<Output, CatalogueError> {
        let rows = create(&self.folder.join(GROWING))?;
        let bundles = create(&self.folder.join(GROWING_BUNDLES))?;
        let mut output = Output {
            rows,
            bundles,
            offset: 0,
            next_block: 0,
            next_bundles: 0,
            block: Writer::new(),
            before: Vec::new(),
        };
        output.write(&self.lineage, BlockKind::Head, &head(&self.lineage, self.base_token))?;
        if let (Some(last), Some((base, _))) = (last, &self.base) {
            output.copy_base(&self.lineage, &mut File::open(base)?, last)?;
        }
        Ok(output)
    }
}

impl Output {
    fn write(&mut self, lineage: &Lineage, kind: BlockKind, payload: &[u8]) -> Result<(), CatalogueError> {
        self.offset += lineage.write(kind, self.next_block, payload, &mut self.rows)?;
        self.next_block += 1;
        Ok(())
    }

    fn row(&mut self, lineage: &Lineage, row: &Row) -> Result<(), CatalogueError> {
        row.encode(&self.before, &mut self.block);
        self.before.clone_from(&row.path);
        if self.block.len() >= BLOCK_BYTES { self.end_block(lineage) } else { Ok(()) }
    }

    fn end_block(&mut self, lineage: &Lineage) -> Result<(), CatalogueError> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::take(&mut self.block).into_bytes();
        self.write(lineage, BlockKind::Rows, &block)?;
        let mut reused = block;
        reused.clear();
        self.block = Writer::onto(reused);
        self.before.clear();
        Ok(())
    }

    fn log_bundle(
        &mut self,
        lineage: &Lineage,
        number: BundleNumber,
        stored: &Pointer,
    ) -> Result<(), CatalogueError> {
        let mut record = Writer::new();
        record.count(1);
        encode_record(number, stored, &mut record);
        lineage.write(BlockKind::Bundles, self.next_bundles, record.as_bytes(), &mut self.bundles)?;
        self.next_bundles += 1;
        Ok(())
    }

    /// Copies the base up to and with the row at `last`: whole blocks as they lie, the last one row by row.
    fn copy_base(
        &mut self,
        lineage: &Lineage,
        base: &mut File,
        last: Position,
    ) -> Result<(), CatalogueError> {
        read_head(base, &lineage.keys)?;
        let begun = base.stream_position()?;
        let whole = last.offset - begun;
        std::io::copy(&mut base.take(whole), &mut self.rows)?;
        self.offset += whole;
        self.next_block = last.block;
        base.seek(SeekFrom::Start(last.offset))?;
        let mut payload = Vec::new();
        if lineage.read(last.block, base, &mut payload)? != Some(BlockKind::Rows) {
            return Err(CatalogueError::Damaged);
        }
        let mut reader = Reader::new(&payload);
        let mut row = Row::blank();
        for _ in 0..=last.row {
            row.decode_next(&mut reader)?;
            self.row(lineage, &row)?;
        }
        Ok(())
    }
}

fn create(path: &Path) -> Result<File, CatalogueError> {
    Ok(OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?)
}

fn remove(path: &Path) -> Result<(), CatalogueError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
