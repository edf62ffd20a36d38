//! What of a configuration does not fit the host on which it is read, before a run fails by it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::slice;

use super::config::Config;
use super::config::Job;
use super::config::What;
use super::place::Place;
use super::servers::Servers;
use crate::output::chain;
use crate::source::Missing;
use crate::source::Roots;

/// What does not fit now, in words: servers at which the host is not enrolled, and paths that are not there. A hook may
/// yet see to a path, so none of it makes the configuration a wrong one.
pub fn doubts(config: &Config, place: &Place) -> Vec<String> {
    let servers = Servers::new(config, place);
    let unknown = config.servers.iter().filter_map(|address| {
        let why = servers.doubt(address)?;
        Some(format!("server {address}: {why}"))
    });
    let missing = config.jobs.iter().flat_map(|job| {
        let paths = match &job.what {
            What::Paths(paths) | What::Images(paths) => paths.as_slice(),
            What::Command { .. } => &[],
        };
        paths.iter().filter_map(|path| {
            let error = Roots::new(slice::from_ref(path), Missing::Refuse).err()?;
            Some(format!("job {}: {}", job.name, chain(&error)))
        })
    });
    unknown.chain(missing).collect()
}

/// What is said of a path that was there in no run of the job that is remembered: it may be misspelt, and every point misses it.
/// Where no run is remembered that found any, nothing is known.
pub fn never_there(job: &Job, seen: &BTreeSet<PathBuf>) -> Option<String> {
    let What::Paths(paths) = &job.what else { return None };
    let path = paths.iter().find(|path| !seen.is_empty() && !seen.contains(*path))?;
    Some(format!("{} was there in no run that is remembered", path.display()))
}
