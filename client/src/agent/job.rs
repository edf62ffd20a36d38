//! A job as a backup that is asked for, between its hooks.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::slice;
use std::sync::Arc;

use super::config::Config;
use super::config::Job;
use super::config::What;
use super::error::JobError;
use super::hooks::Hook;
use super::hooks::HookError;
use super::place::Place;
use crate::backup::CacheUse;
use crate::backup::Intent;
use crate::backup::Request;
use crate::backup::Sources;
use crate::backup::Summary;
use crate::backup::Unreadable;
use crate::output::chain;
use crate::process::Standing;
use crate::source::Caches;
use crate::source::FileId;
use crate::source::Missing;
use crate::source::Mounts;
use crate::source::RootError;
use crate::source::Roots;
use crate::source::Rules;

#[cfg(test)]
mod tests;

/// A point that was made.
pub(super) enum Made {
    /// A server has it. Something beside it went wrong, or not.
    Acknowledged(Box<Summary>, Option<String>),
    /// It waits in the spool, for this reason.
    Spooled(String),
}

/// A point, and what went wrong behind it: or none.
pub(super) type Outcome = Result<(Made, Option<String>), JobError>;

/// Makes a job's point between its hooks; `make` hears how the one before it went. A failure behind the backup is a message:
/// the point is there.
pub(super) fn between_hooks(
    job: &Job,
    make: impl FnOnce(Result<(), HookError>) -> Result<Made, JobError>,
) -> Outcome {
    let run = |hook: &Option<Hook>, outcome: &str| match hook {
        Some(hook) => hook.run(&[("FARKEEP_JOB", &job.name), ("FARKEEP_OUTCOME", outcome)]),
        None => Ok(()),
    };
    let made = make(run(&job.hooks.before, "none"));
    let (outcome, behind) = match &made {
        Ok(_) => ("done", &job.hooks.after),
        Err(_) => ("failed", &job.hooks.on_failure),
    };
    let said = [run(behind, outcome), run(&job.hooks.finally, outcome)];
    let complaints: Vec<String> =
        said.into_iter().filter_map(Result::err).map(|error| chain(&error)).collect();
    for complaint in &complaints {
        tracing::warn!("job {}: {complaint}", job.name);
    }
    made.map(|made| (made, (!complaints.is_empty()).then(|| complaints.join("; "))))
}

/// The backup of a job. `seen` are those of its paths that were there in earlier runs, as far as that is remembered.
pub(super) fn request(
    job: &Job,
    config: &Config,
    place: &Place,
    seen: &mut BTreeSet<PathBuf>,
) -> Result<Request, JobError> {
    let mut rules = Rules::new(&job.exclude, &[])?;
    rules.caches = if job.exclude_caches { Caches::Leave } else { Caches::Take };
    rules.mounts = if job.one_file_system { Mounts::Stay } else { Mounts::Enter };
    // Every run writes there, so with them no run would find that nothing changed.
    for folder in [&config.state, &place.caches] {
        if let Ok(folder) = FileId::of(folder) {
            rules.avoid(folder);
        }
    }
    let sources = match &job.what {
        // What is captured may only be there when the hook has run.
        What::Paths(paths) if job.hooks.capture.is_some() => {
            Sources::Paths(Roots::new(paths, Missing::Report)?)
        }
        // A point of one moment has all of its paths.
        What::Paths(paths) if job.member.is_some() => Sources::Paths(Roots::new(paths, Missing::Refuse)?),
        What::Paths(paths) => Sources::Paths(roots(paths, seen)?),
        What::Command { line, limit } => Sources::Command {
            line: line.clone(),
            name: job.name.clone(),
            standing: Standing::Apart,
            limit: *limit,
        },
        What::Images(paths) => Sources::Images(paths.clone()),
    };
    Ok(Request {
        sources,
        series: Some(job.series(&place.host)),
        tags: job.tags.clone(),
        rules,
        cache: CacheUse::Use,
        cache_folder: place.caches.clone(),
        intent: Intent::Store,
        host: place.host.clone(),
        user: place.user.clone(),
        cancel: Arc::clone(&place.cancel),
        together: None,
    })
}

/// The paths of a job. Without those that are missing the point is partial: they may be back soon, and the rest does not wait
/// for them. Of nothing at all there is no point.
fn roots(paths: &[PathBuf], seen: &mut BTreeSet<PathBuf>) -> Result<Roots, RootError> {
    let is_there = |path: &&PathBuf| Roots::new(slice::from_ref(path), Missing::Refuse).is_ok();
    let there: Vec<&PathBuf> = paths.iter().filter(is_there).collect();
    if there.is_empty() {
        return Roots::new(paths, Missing::Refuse);
    }
    seen.retain(|path| paths.contains(path));
    seen.extend(there.into_iter().cloned());
    Roots::new(paths, Missing::Report)
}

/// What is said of files that are missing from a point, of which the first may be known.
pub(super) fn missed(count: u64, first: Option<&Unreadable>) -> Option<String> {
    let first = first.map_or(String::new(), |first| format!(", such as {}: {}", first.path, first.why));
    (count > 0).then(|| format!("files that could not be read or changed while they were: {count}{first}"))
}

/// The same of a run's summary.
pub(super) fn missed_by(summary: &Summary) -> Option<String> {
    let first = summary.unreadable.first().or_else(|| summary.inconsistent.first());
    missed(summary.unreadable_count + summary.inconsistent_count, first)
}
