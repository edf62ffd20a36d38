//! One bit for each object, by its number ([`Bits`]): what a mark has found.
//!
//! In pages that are made when something in them is set first, so that it costs nothing to have many objects that nobody
//! asks for: 125 MB for all of 10^9.

use std::ops::Range;

#[cfg(test)]
mod tests;

const WORD_BITS: u32 = u64::BITS;
const PAGE_BITS: u32 = 1 << 16;
const PAGE_WORDS: usize = (PAGE_BITS / WORD_BITS) as usize;

/// A set of numbers of objects.
#[derive(Debug, Default)]
pub struct Bits {
    pages: Vec<Option<Box<[u64; PAGE_WORDS]>>>,
    count: u64,
}

impl Bits {
    /// None is in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a number in. Returns whether it is new.
    pub fn insert(&mut self, number: u32) -> Inserted {
        let (page, word, bit) = place(number);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let word = &mut self.pages[page].get_or_insert_with(|| Box::new([0; PAGE_WORDS]))[word];
        if *word & bit != 0 {
            return Inserted::Before;
        }
        *word |= bit;
        self.count += 1;
        Inserted::Now
    }

    /// Whether a number is in it.
    pub fn contains(&self, number: u32) -> bool {
        let (page, word, bit) = place(number);
        self.page(page).is_some_and(|page| page[word] & bit != 0)
    }

    /// How many are in it.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many of a range are, such as the objects of an extent.
    pub fn count_in(&self, range: Range<u32>) -> u64 {
        let mut count = 0;
        let mut next = range.start;
        while next < range.end {
            let (page, word, _) = place(next);
            let begin = next - next % WORD_BITS;
            let kept = self.page(page).map_or(0, |page| page[word]);
            let behind = u64::MAX << (next - begin);
            let before = match range.end - begin {
                rest if rest < WORD_BITS => (1 << rest) - 1,
                _ => u64::MAX,
            };
            count += u64::from((kept & behind & before).count_ones());
            let Some(end) = begin.checked_add(WORD_BITS) else { break };
            next = end;
        }
        count
    }

    /// Bytes of memory that it takes.
    pub fn memory_bytes(&self) -> usize {
        let pages = self.pages.iter().flatten().count();
        self.pages.capacity() * size_of::<Option<Box<[u64; PAGE_WORDS]>>>() + pages * PAGE_WORDS * 8
    }

    fn page(&self, page: usize) -> Option<&[u64; PAGE_WORDS]> {
        self.pages.get(page)?.as_deref()
    }
}

/// Whether a number was in the set before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It was not.
    Now,
    /// It was.
    Before,
}

/// Page, word in the page, and bit in the word.
fn place(number: u32) -> (usize, usize, u64) {
    let page = number / PAGE_BITS;
    let word = number % PAGE_BITS / WORD_BITS;
    (page as usize, word as usize, 1 << (number % WORD_BITS))
}
