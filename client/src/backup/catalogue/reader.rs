//! Reading what earlier runs left: the complete catalogue of the last snapshot, and a cut one in front of it.

use std::fs::File;
use std::io::BufReader;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::key::DomainKeys;
use farkeep_codec::layout::Reader;

use super::block::BlockKind;
use super::block::CatalogueError;
use super::block::Lineage;
use super::block::read_unchecked;
use super::row::Row;
use super::table::Bundles;
use super::trailer::Trailer;

/// Buffer in front of a file, in bytes: blocks are a little larger.
const READ_BYTES: usize = 128 << 10;

/// File names within the folder of one series.
pub(super) const COMPLETE: &str = "catalogue";
pub(super) const GROWING: &str = "catalogue.new";
pub(super) const GROWING_BUNDLES: &str = "bundles.new";
pub(super) const CUT: &str = "catalogue.cut";
pub(super) const CUT_BUNDLES: &str = "bundles.cut";

/// What is done about growing files that lie there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftovers {
    /// They are of a run that was killed, and are continued.
    TakeOver,
    /// They stay as they are, for a run that writes.
    LeaveAlone,
    /// They are not looked at, and written over: nobody can say whether what they name was ever acknowledged.
    Ignore,
}

/// What earlier runs left of one series.
pub(crate) struct Previous {
    keys: DomainKeys,
    complete: Option<(PathBuf, Lineage)>,
    cut: Option<PathBuf>,
    trailer: Option<Trailer>,
    bundles: Bundles,
}

impl Previous {
    /// Nothing: every file will be read.
    pub(crate) fn nothing(keys: &DomainKeys) -> Self {
        Self { keys: keys.clone(), complete: None, cut: None, trailer: None, bundles: Bundles::default() }
    }

    /// Opens what lies in `folder`. What cannot be used is left out: it is only a cache.
    pub(crate) fn open(folder: &Path, keys: &DomainKeys, leftovers: Leftovers) -> Self {
        let mut previous = Self::nothing(keys);
        if let Err(error) = previous.open_complete(&folder.join(COMPLETE)) {
            tracing::debug!("no catalogue of the last snapshot: {error}");
            previous = Self::nothing(keys);
        }
        if leftovers == Leftovers::TakeOver {
            set_cut_aside(folder);
        }
        if leftovers != Leftovers::Ignore
            && let Err(error) = previous.open_cut(folder)
        {
            tracing::debug!("{error}");
        }
        previous
    }

    fn open_complete(&mut self, path: &Path) -> Result<(), CatalogueError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (lineage, _) = read_head(&mut file, &self.keys)?;
        file.seek(SeekFrom::End(-16))?;
        let mut place = [0; 16];
        file.read_exact(&mut place)?;
        let mut reader = Reader::new(&place);
        let (offset, number) = (reader.u64("place of the table")?, reader.u64("place of the table")?);
        file.seek(SeekFrom::Start(offset))?;
        let mut payload = Vec::new();
        if lineage.read(number, &mut file, &mut payload)? != Some(BlockKind::Bundles) {
            return Err(CatalogueError::Damaged);
        }
        let mut reader = Reader::new(&payload);
        self.bundles.decode_over(&mut reader)?;
        reader.finish()?;
        if lineage.read(number + 1, &mut file, &mut payload)? != Some(BlockKind::Trailer) {
            return Err(CatalogueError::Damaged);
        }
        self.trailer = Some(Trailer::decode(&payload)?);
        self.complete = Some((path.to_owned(), lineage));
        Ok(())
    }

    /// A cut catalogue continues the complete one that it names as its base, and no other.
    fn open_cut(&mut self, folder: &Path) -> Result<(), CatalogueError> {
        let path = folder.join(CUT);
        let Ok(mut file) = File::open(&path) else { return Ok(()) };
        let (lineage, base) = read_head(&mut file, &self.keys)?;
        if base != self.token() {
            return Err(CatalogueError::Damaged);
        }
        let mut log = BufReader::new(File::open(folder.join(CUT_BUNDLES))?);
        let mut payload = Vec::new();
        let mut number = 0;
        while let Ok(Some(BlockKind::Bundles)) = lineage.read(number, &mut log, &mut payload) {
            let mut reader = Reader::new(&payload);
            self.bundles.decode_over(&mut reader)?;
            number += 1;
        }
        self.cut = Some(path);
        Ok(())
    }

    /// Root and figures of the last snapshot; `None` when there is none, or when a run was cut after it.
    pub(crate) fn trailer(&self) -> Option<&Trailer> {
        self.trailer.as_ref()
    }

    /// Whether a run was cut behind the last snapshot, and its work is there to be continued.
    pub(crate) fn was_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// The bundles that the rows refer to.
    pub(crate) fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    /// The complete catalogue's file and lineage.
    pub(super) fn complete(&self) -> Option<&(PathBuf, Lineage)> {
        self.complete.as_ref()
    }

    pub(super) fn keys(&self) -> &DomainKeys {
        &self.keys
    }

    pub(super) fn token(&self) -> [u8; 16] {
        self.complete.as_ref().map_or([0; 16], |(_, lineage)| lineage.token)
    }

    /// The rows of one file of this lineage that is still growing, and has so many blocks. All of them are needed:
    /// [`Rows::finish`] says whether they came.
    pub(super) fn rows_of(
        &self,
        path: &Path,
        lineage: &Lineage,
        blocks: u64,
    ) -> Result<Rows, CatalogueError> {
        let stream = Stream::open(path, &self.keys)?;
        if stream.lineage.token != lineage.token {
            return Err(CatalogueError::Damaged);
        }
        Ok(Rows { cut: None, complete: Some(stream), last: Vec::new(), blocks })
    }

    /// All rows in path order.
    pub(crate) fn rows(&self) -> Rows {
        let cut = self.cut.as_deref().and_then(|path| Stream::open(path, &self.keys).ok());
        let complete = self.complete.as_ref().and_then(|(path, _)| Stream::open(path, &self.keys).ok());
        let mut rows = Rows { cut, complete, last: Vec::new(), blocks: 0 };
        rows.settle();
        rows
    }
}

/// A run that was killed left its growing files behind: they become the cut ones, unless what is there holds more.
fn set_cut_aside(folder: &Path) {
    let bytes = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |meta| meta.len());
    if bytes(GROWING) > bytes(CUT) {
        for (from, to) in [(GROWING_BUNDLES, CUT_BUNDLES), (GROWING, CUT)] {
            if let Err(error) = std::fs::rename(folder.join(from), folder.join(to)) {
                tracing::debug!("catalogue: {error}");
            }
        }
    }
}

/// Reads the head of a file: its lineage, and the token of the catalogue that it is based on.
pub(super) fn read_head(
    file: &mut impl Read,
    keys: &DomainKeys,
) -> Result<(Lineage, [u8; 16]), CatalogueError> {
    let mut payload = Vec::new();
    let Some((BlockKind::Head, _)) = read_unchecked(file, &mut payload)? else {
        return Err(CatalogueError::Damaged);
    };
    let mut reader = Reader::new(&payload);
    let token = reader.array("token")?;
    let base = reader.array("base")?;
    let version = reader.u8("version")?;
    reader.finish()?;
    let lineage = Lineage { keys: keys.clone(), token };
    let own = head(&lineage, base);
    if version != VERSION || own.as_slice() != payload.as_slice() {
        return Err(CatalogueError::Damaged);
    }
    Ok((lineage, base))
}

/// Version of the catalogue's layout. Another version is not read.
const VERSION: u8 = 2;

pub(super) fn head(lineage: &Lineage, base: [u8; 16]) -> Vec<u8> {
    [&lineage.token[..], &base, &[VERSION]].concat()
}

/// Where a row stands in the complete catalogue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    /// Number of the block.
    pub(super) block: u64,
    /// Offset of the block in the file.
    pub(super) offset: u64,
    /// Number of the row in the block.
    pub(super) row: usize,
}

/// Rows of one file, block by block.
pub(super) struct Stream {
    file: BufReader<File>,
    lineage: Lineage,
    payload: Vec<u8>,
    read: usize,
    next_block: u64,
    next_offset: u64,
    position: Position,
    row: Option<Row>,
    damage: Option<CatalogueError>,
}

impl Stream {
    fn open(path: &Path, keys: &DomainKeys) -> Result<Self, CatalogueError> {
        let mut file = BufReader::with_capacity(READ_BYTES, File::open(path)?);
        let (lineage, _) = read_head(&mut file, keys)?;
        let next_offset = file.stream_position()?;
        let mut stream = Self {
            file,
            lineage,
            payload: Vec::new(),
            read: 0,
            next_block: 1,
            next_offset,
            position: Position { block: 0, offset: 0, row: 0 },
            row: Some(Row::blank()),
            damage: None,
        };
        stream.advance();
        Ok(stream)
    }

    /// Goes to the next row. Damage ends the stream: of a cache, what follows is read from disk again.
    fn advance(&mut self) {
        if let Err(error) = self.try_advance() {
            tracing::debug!("{error}");
            self.row = None;
            self.damage = Some(error);
        }
    }

    fn try_advance(&mut self) -> Result<(), CatalogueError> {
        self.position.row += 1;
        while self.read == self.payload.len() {
            let kind = self.lineage.read(self.next_block, &mut self.file, &mut self.payload)?;
            if kind != Some(BlockKind::Rows) {
                self.row = None;
                return Ok(());
            }
            self.position = Position { block: self.next_block, offset: self.next_offset, row: 0 };
            self.next_block += 1;
            self.next_offset += (super::block::BLOCK_HEADER_BYTES + self.payload.len()) as u64;
            self.read = 0;
            if let Some(row) = &mut self.row {
                row.path.clear();
            }
        }
        let Some(row) = &mut self.row else { return Ok(()) };
        let mut reader = Reader::new(self.payload.get(self.read..).unwrap_or_default());
        row.decode_next(&mut reader)?;
        self.read += reader.offset();
        Ok(())
    }
}

/// All rows in path order: those of a cut run, then those of the complete catalogue behind them.
pub(crate) struct Rows {
    cut: Option<Stream>,
    complete: Option<Stream>,
    last: Vec<u8>,
    /// Blocks that must have been read at the end.
    blocks: u64,
}

impl Rows {
    /// The row that is next, which is looked at and not yet taken.
    pub(crate) fn peek(&self) -> Option<&Row> {
        self.cut.as_ref().or(self.complete.as_ref())?.row.as_ref()
    }

    /// Whether the next row comes from a run that was cut.
    pub(crate) fn is_from_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// Where the next row stands in the complete catalogue.
    pub(crate) fn position(&self) -> Option<Position> {
        match &self.cut {
            Some(_) => None,
            None => self.complete.as_ref().map(|stream| stream.position),
        }
    }

    /// Goes to the row behind the next one.
    pub(crate) fn advance(&mut self) {
        if let Some(cut) = &mut self.cut {
            if let Some(row) = &cut.row {
                self.last.clone_from(&row.path);
            }
            cut.advance();
            self.settle();
        } else if let Some(complete) = &mut self.complete {
            complete.advance();
        }
    }

    /// Ends the reading of rows that this run wrote.
    ///
    /// # Errors
    /// When they did not come to their end: the file was damaged or cut behind the run's back.
    pub(crate) fn finish(self) -> Result<(), CatalogueError> {
        match self.complete {
            Some(Stream { damage: Some(damage), .. }) => Err(damage),
            Some(stream) if stream.next_block < self.blocks => Err(CatalogueError::Damaged),
            _ => Ok(()),
        }
    }

    /// Leaves a stream of a cut run that ended, and skips what it covered.
    fn settle(&mut self) {
        if self.cut.as_ref().is_some_and(|cut| cut.row.is_none()) {
            self.cut = None;
            while let Some(complete) = &mut self.complete
                && complete.row.as_ref().is_some_and(|row| row.path <= self.last)
            {
                complete.advance();
            }
        }
    }
}
