//! Deciding what is kept of a repository in a folder.

use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use farkeep_engine::Act;
use farkeep_engine::Known;
use farkeep_engine::Rules;
use farkeep_engine::Settings;

use super::LocalStore;
use crate::repository::RepositoryError;
use crate::repository::keeper::Fate;
use crate::repository::keeper::Judged;
use crate::repository::keeper::Keeper;
use crate::repository::keeper::Retained;

impl Keeper for LocalStore {
    fn settings(&self) -> Result<Settings, RepositoryError> {
        Ok(self.engine.settings())
    }

    fn change_settings(&self, settings: &Settings) -> Result<(), RepositoryError> {
        Ok(self.engine.change_settings(settings, "")?)
    }

    fn known(&self) -> Result<Vec<Known>, RepositoryError> {
        Ok(self.engine.known("")?)
    }

    fn retain(&self, rules: &Rules, act: Act) -> Result<Retained, RepositoryError> {
        let retained = self.engine.retain(rules, act, "")?;
        let judged = retained.judged.into_iter().map(|judged| Judged {
            id: judged.id,
            series: judged.series.to_string(),
            received: judged.received,
            fate: match judged.fate {
                farkeep_engine::Fate::Kept(reasons) => {
                    Fate::Kept { reasons: reasons.iter().map(ToString::to_string).collect() }
                }
                farkeep_engine::Fate::Forgotten(policy) => Fate::Forgotten { policy: policy.to_string() },
            },
        });
        Ok(Retained { judged: judged.collect(), is_frozen: retained.frozen.is_some() })
    }

    fn forget(&self, id: &SnapshotId, reason: &str) -> Result<(), RepositoryError> {
        Ok(self.engine.forget(id, reason)?)
    }

    fn recover(&self, id: &SnapshotId, reason: &str) -> Result<(), RepositoryError> {
        Ok(self.engine.recover(id, reason)?)
    }

    fn hold(&self, id: &SnapshotId, until: Time, reason: &str) -> Result<(), RepositoryError> {
        Ok(self.engine.hold(id, until, reason)?)
    }

    fn thaw(&self, reason: &str) -> Result<(), RepositoryError> {
        self.engine.thaw(reason)?;
        Ok(())
    }
}
