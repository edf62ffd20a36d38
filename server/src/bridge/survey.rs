//! What repositories have, told to whoever watches: also of those that no session has opened yet.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use farkeep_engine::Access;
use farkeep_engine::Engine;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::RealDisk;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Name;

use super::Failure;
use super::Pool;
use crate::config::Config;
use crate::machine::Machine;
use crate::observe::Figures;
use crate::observe::Observer;

/// Looks into all repositories, one after the other, so that a point that is too old is seen by a server that was only
/// just started.
pub(crate) async fn survey(
    folder: PathBuf,
    (config, machine): (Arc<Config>, Machine),
    pool: Pool,
    observer: Arc<Observer>,
) {
    let names = match names(&folder) {
        Ok(names) => names,
        Err(error) => return tracing::warn!(%error, "the repositories cannot be listed"),
    };
    for name in names {
        let (machine, path) = (machine.clone(), folder.join(&name));
        let figures = observer.repository(&name, config.quotas.repository(&name));
        let looked = pool.run(move || look(&machine, &path, &figures)).await.and_then(|looked| looked);
        if let Err(failure) = looked {
            tracing::warn!(repository = %name, %failure, "a repository cannot be looked into");
        }
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let names = entries.iter().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| Name::new(name).is_ok()).collect())
}

fn look(machine: &Machine, folder: &Path, figures: &Figures) -> Result<(), Failure> {
    let random = |error| Failure::new(Code::INTERNAL, format!("the system has no random numbers: {error}"));
    let options = machine.options(folder).map_err(random)?;
    let disk = machine.disk(RealDisk::open(folder, Backend::Auto)?);
    let engine = Engine::open(disk, Access::Read, options)?;
    report(&engine, engine.usage()?.bytes, figures);
    Ok(())
}

/// Says what a repository has. Blocks.
pub(super) fn report(engine: &Engine, used_bytes: u64, figures: &Figures) {
    if let Ok(usage) = engine.usage() {
        figures.stored(usage.objects, usage.bytes, used_bytes);
    }
    for (series, received) in engine.newest() {
        figures.point(series.as_str(), received);
    }
}
