//! Extended attributes of a file, which hold its access control lists and capabilities too.

use std::ffi::CStr;
use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;

use farkeep_codec::limits;
use farkeep_codec::tree::Attribute;
use rustix::io::Errno;

/// Room for the list of names, as much as Linux ever gives.
const NAMES_BYTES_MAX: usize = 64 << 10;
/// Room that nearly every list and value fits.
const USUAL_BYTES: usize = 1 << 10;

/// The attributes of an open file, sorted by name. A file system without attributes has none.
///
/// # Errors
/// What the system says, and [`io::ErrorKind::InvalidData`] if there are more than the format holds.
pub fn of_open(file: impl AsFd) -> io::Result<Vec<Attribute>> {
    read(&Open(file.as_fd()))
}

/// The attributes of `name` in an open folder, which may be a link (it is not followed) or a device (it is not opened).
///
/// The kernel takes no folder descriptor here, so the name goes through `/proc/self/fd`, which has to be mounted.
///
/// # Errors
/// As [`of_open`].
pub fn of_name(folder: impl AsFd, name: &CStr) -> io::Result<Vec<Attribute>> {
    let mut path = path_in_proc(folder).into_bytes();
    path.push(b'/');
    path.extend_from_slice(name.to_bytes_with_nul());
    read(&Named(CString::from_vec_with_nul(path).map_err(io::Error::other)?))
}

/// The attributes of what a descriptor is of that can be neither read nor written (`O_PATH`). Needs `/proc` too.
///
/// # Errors
/// As [`of_open`].
pub fn of_node(node: impl AsFd) -> io::Result<Vec<Attribute>> {
    read(&Node(path_in_proc(node)))
}

/// A path to exactly what a descriptor is of, a link too, for calls that take no descriptor of this sort.
pub(crate) fn path_in_proc(fd: impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

/// The ways to ask.
trait Holder {
    fn list(&self, into: &mut [u8]) -> Result<usize, Errno>;
    fn value(&self, name: &CStr, into: &mut [u8]) -> Result<usize, Errno>;
}

struct Open<'a>(BorrowedFd<'a>);

impl Holder for Open<'_> {
    fn list(&self, into: &mut [u8]) -> Result<usize, Errno> {
        rustix::fs::flistxattr(self.0, into)
    }

    fn value(&self, name: &CStr, into: &mut [u8]) -> Result<usize, Errno> {
        rustix::fs::fgetxattr(self.0, name, into)
    }
}

struct Named(CString);

impl Holder for Named {
    fn list(&self, into: &mut [u8]) -> Result<usize, Errno> {
        rustix::fs::llistxattr(&self.0, into)
    }

    fn value(&self, name: &CStr, into: &mut [u8]) -> Result<usize, Errno> {
        rustix::fs::lgetxattr(&self.0, name, into)
    }
}

struct Node(String);

impl Holder for Node {
    fn list(&self, into: &mut [u8]) -> Result<usize, Errno> {
        rustix::fs::listxattr(&self.0, into)
    }

    fn value(&self, name: &CStr, into: &mut [u8]) -> Result<usize, Errno> {
        rustix::fs::getxattr(&self.0, name, into)
    }
}

fn read(holder: &impl Holder) -> io::Result<Vec<Attribute>> {
    let names = match grow(NAMES_BYTES_MAX, |into| holder.list(into)) {
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        names => names?,
    };
    let mut attributes = Vec::new();
    let mut bytes = 0;
    for name in names.split_inclusive(|&byte| byte == 0) {
        let name = CStr::from_bytes_with_nul(name).map_err(io::Error::other)?;
        let value = match grow(limits::ATTRIBUTE_VALUE_BYTES_MAX, |into| holder.value(name, into)) {
            // Removed since it was listed, or listed but not for our eyes: for us it is not there.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => continue,
            value => value?,
        };
        // Summed up at once: a file may have far more of them than memory should hold.
        bytes += name.count_bytes() + value.len();
        if attributes.len() == limits::ATTRIBUTES_MAX || bytes > limits::ATTRIBUTES_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it has more extended attributes than can be kept",
            ));
        }
        attributes.push(Attribute { name: name.to_bytes().to_vec(), value });
    }
    attributes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(attributes)
}

/// Asks with little room first, and with all room if that was too little.
fn grow(bytes_max: usize, ask: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut usual = [0; USUAL_BYTES];
    match ask(&mut usual) {
        Ok(bytes) => Ok(usual.get(..bytes).unwrap_or_default().to_vec()),
        Err(Errno::RANGE) => {
            let mut room = vec![0; bytes_max];
            let bytes = ask(&mut room)?;
            room.truncate(bytes);
            room.shrink_to_fit();
            Ok(room)
        }
        Err(error) => Err(error),
    }
}
