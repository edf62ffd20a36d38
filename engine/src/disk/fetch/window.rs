//! The files of a batch that are being read at the moment ([`Window`]), with io_uring.

use std::os::fd::AsFd;

use super::FetchError;
use super::Fetched;
use super::Opened;
use super::Request;
use super::slots;
use crate::disk::ring::Ring;
use crate::limits::FETCH_FILES_OPEN;

/// Files whose reads are handed over in one system call.
const SUBMIT_FILES: usize = 16;

pub(super) struct Window<'r, 'b> {
    ring: &'r mut Ring,
    places: Vec<Option<Flight<'b>>>,
    free: Vec<usize>,
    results: Vec<Option<Result<Fetched, FetchError>>>,
}

/// A file that is being read, and the number of its request.
struct Flight<'b> {
    number: usize,
    opened: Opened<'b>,
}

impl<'r, 'b> Window<'r, 'b> {
    pub(super) fn new(ring: &'r mut Ring, count: usize) -> Self {
        let places = (0..FETCH_FILES_OPEN).map(|_| None).collect();
        let results = (0..count).map(|_| None).collect();
        Self { ring, places, free: (0..FETCH_FILES_OPEN).collect(), results }
    }

    pub(super) fn fetch(
        mut self,
        requests: &[Request<'_>],
        into: &'b mut [u8],
    ) -> Vec<Result<Fetched, FetchError>> {
        let mut pushed = 0;
        for (number, (request, slot)) in slots(requests, into).enumerate() {
            match Opened::new(request, slot) {
                Ok(opened) => self.start(Flight { number, opened }),
                Err(error) => {
                    self.results[number] = Some(Err(error));
                    continue;
                }
            }
            pushed += 1;
            if pushed % SUBMIT_FILES == 0 {
                self.ring.submit().expect("the kernel takes reads of open files");
                self.land();
            }
            if self.free.is_empty() {
                self.wait();
            }
        }
        while self.ring.in_flight() > 0 {
            self.wait();
        }
        let results = std::mem::take(&mut self.results);
        results.into_iter().map(|result| result.expect("every request has come to an end")).collect()
    }

    fn start(&mut self, flight: Flight<'b>) {
        let place = self.free.pop().expect("files land when no place is free");
        let Opened { file, slot, .. } = &mut self.places[place].insert(flight).opened;
        // SAFETY: the slot is borrowed by this window, and nobody looks at it while it is in its place. It leaves the
        // place in `land`, when the read has come back; and a window that goes away waits for all reads before.
        unsafe { self.ring.push_read(file.as_fd(), 0, slot.bytes, place as u64) };
    }

    fn wait(&mut self) {
        self.ring.wait().expect("the kernel takes reads of open files");
        self.land();
    }

    /// Takes the reads that have come back.
    fn land(&mut self) {
        while let Some(completion) = self.ring.completed() {
            let place = usize::try_from(completion.tag).expect("a tag is a place");
            let Flight { number, opened } =
                self.places[place].take().expect("the place of a read holds its file");
            self.results[number] = Some(opened.conclude_read(completion.result));
            self.free.push(place);
        }
    }
}

impl Drop for Window<'_, '_> {
    fn drop(&mut self) {
        self.ring.quiesce();
    }
}
