//! Names of users and groups: [`Accounts`].
//!
//! They come from `/etc/passwd` and `/etc/group`, read once. Other sources of the name service switch (LDAP, systemd's
//! dynamic users) are not asked: that would need the C library's resolver, with its plugins and their network
//! traffic, in the middle of a walk. An owner whom these files do not name is recorded and restored by number.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use farkeep_codec::tree::Owner;

#[cfg(test)]
mod tests;

/// The users and groups of this machine, by number and by name.
#[derive(Debug, Default)]
pub struct Accounts {
    users: Table,
    groups: Table,
    owners: Mutex<HashMap<(u32, u32), Arc<Owner>>>,
}

impl Accounts {
    /// Those of this machine. Where a file is missing, nobody has a name.
    ///
    /// # Errors
    /// A file that is there but cannot be read.
    pub fn read() -> io::Result<Self> {
        Ok(Self::from_texts(&read(Path::new("/etc/passwd"))?, &read(Path::new("/etc/group"))?))
    }

    /// Those of a passwd file and a group file with these contents.
    pub fn from_texts(passwd: &[u8], group: &[u8]) -> Self {
        Self { users: Table::parse(passwd), groups: Table::parse(group), owners: Mutex::default() }
    }

    /// The owner with these numbers, with the names that belong to them (empty where there is none).
    pub fn owner(&self, uid: u32, gid: u32) -> Arc<Owner> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = owners.entry((uid, gid)).or_insert_with(|| {
            let user = self.users.name(uid).to_vec();
            Arc::new(Owner { uid, gid, user, group: self.groups.name(gid).to_vec() })
        });
        Arc::clone(owner)
    }

    /// The number of the user of this name.
    pub fn uid(&self, user: &[u8]) -> Option<u32> {
        self.users.numbers.get(user).copied()
    }

    /// The number of the group of this name.
    pub fn gid(&self, group: &[u8]) -> Option<u32> {
        self.groups.numbers.get(group).copied()
    }
}

/// One of the two files. Where a name or number stands twice, the first line counts, as for the C library.
#[derive(Debug, Default)]
struct Table {
    names: HashMap<u32, Vec<u8>>,
    numbers: HashMap<Vec<u8>, u32>,
}

impl Table {
    /// Both files have the name in the first field and the number in the third.
    fn parse(text: &[u8]) -> Self {
        let mut table = Self::default();
        for line in text.split(|&byte| byte == b'\n') {
            let mut fields = line.split(|&byte| byte == b':');
            let (Some(name), Some(_password), Some(number)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
            let Some(number) = number.filter(|_| is_name(name)) else {
                continue;
            };
            table.names.entry(number).or_insert_with(|| name.to_vec());
            table.numbers.entry(name.to_vec()).or_insert(number);
        }
        table
    }

    fn name(&self, number: u32) -> &[u8] {
        self.names.get(&number).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Lines that start with `+` or `-` are the switch's, and those with `#` nobody's.
fn is_name(field: &[u8]) -> bool {
    field.first().is_some_and(|first| !b"+-#".contains(first))
        && field.len() <= farkeep_codec::limits::OWNER_NAME_BYTES_MAX
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        done => done,
    }
}
