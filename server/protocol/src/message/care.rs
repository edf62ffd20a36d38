//! What keepers ask for and are told since version 2 about the care of what is stored: when it was verified, that it is
//! verified now, and what is repaired.

use farkeep_codec::id::PackId;
use farkeep_codec::time::Time;

use crate::field::List;
use crate::field::Sequence;
use crate::field::Text;
use crate::field::choice;
use crate::kind::message;
use crate::limits::CARE_PACKS_MAX;
use crate::limits::TEXT_BYTES_MAX;

message! {
    /// When were the packs verified?
    Verifications {
        /// Number of the request.
        sequence: Sequence,
    }
}

message! {
    /// Then.
    VerificationsAre {
        /// The request.
        sequence: Sequence,
        /// All packs.
        packs: u64,
        /// Bytes of them.
        bytes: u64,
        /// Packs that were never verified as they are now.
        packs_unverified: u64,
        /// Bytes of them.
        bytes_unverified: u64,
        /// The oldest of the last verifications of the others.
        oldest: Option<Time>,
        /// How old a verification may become; 0 if nobody cares.
        seconds_max: u64,
        /// Whether one is older.
        late: bool,
        /// As many bytes must be verified each second from now on, so that none becomes older.
        bytes_per_second: u64,
    }
}

message! {
    /// Verify every pack, the one first that was verified longest ago.
    Scrub {
        /// Number of the request.
        sequence: Sequence,
        /// Seconds after which it stops by itself; 0 for as long as it takes.
        seconds_max: u64,
        /// Bytes that it may read each second; 0 for no limit.
        bytes_per_second: u64,
    }
}

message! {
    /// How far a scrub is, or a look at what there is to repair.
    Scrubbing {
        /// The request.
        sequence: Sequence,
        /// Bytes that were read.
        bytes_done: u64,
        /// Of how many; 0 while another one is under way on this server.
        bytes_total: u64,
    }
}

choice! {
    /// How a scrub ended.
    ScrubOutcome {
        /// Everything was verified.
        Complete = 1,
        /// Somebody stopped it, or its time was over. The next one goes on from there.
        Stopped = 2,
        /// Another one is under way in this repository, so this one did nothing.
        Running = 3,
    }
}

message! {
    /// What a scrub found.
    Scrubbed {
        /// The request.
        sequence: Sequence,
        /// How it ended.
        outcome: ScrubOutcome,
        /// Packs that were verified.
        packs: u64,
        /// Bytes of them.
        bytes: u64,
        /// Packs in which something was not as it was written.
        damaged_count: u64,
        /// The first of them.
        damaged: List<PackId, 0, CARE_PACKS_MAX>,
    }
}

message! {
    /// What is there to repair?
    PlanRepair {
        /// Number of the request.
        sequence: Sequence,
    }
}

choice! {
    /// What a step of a repair does.
    RepairAct {
        /// Blocks of a pack are written anew from its parity. Counts blocks.
        Heal = 1,
        /// Objects of a pack that cannot be healed are given up. Counts records.
        Quarantine = 2,
        /// The index is built anew.
        RebuildIndex = 3,
        /// A small file is written again from the other place where it is kept.
        Mend = 4,
        /// What a run left that did not end is removed.
        Remove = 5,
        /// Something stays damaged.
        Leave = 6,
    }
}

message! {
    /// One thing that a repair would do, or could not do.
    RepairStep<'a> {
        /// The request.
        sequence: Sequence,
        /// What it does.
        act: RepairAct,
        /// The pack, of the first two.
        pack: Option<PackId>,
        /// What it counts.
        count: u64,
        /// The file, of the last three.
        path: Text<'a, TEXT_BYTES_MAX>,
        /// What is wrong with it.
        what: Text<'a, TEXT_BYTES_MAX>,
    }
}

message! {
    /// Heal packs, quarantine what cannot be healed, and put in order what else is asked for.
    Repair {
        /// Number of the request.
        sequence: Sequence,
        /// The packs.
        packs: List<PackId, 0, CARE_PACKS_MAX>,
        /// Whether small files are written again that are not the same in both places.
        files: bool,
        /// Whether the index is built anew.
        index: bool,
    }
}

message! {
    /// What a repair did.
    Repaired {
        /// The request.
        sequence: Sequence,
        /// Packs that were looked at, every byte of them.
        packs: u64,
        /// Small files that were written again.
        files: u64,
        /// Blocks that are again as they were written.
        blocks: u64,
        /// Records that were quarantined.
        objects: u64,
        /// Packs whose objects were copied into others, since nothing can be written into them.
        evacuated: List<PackId, 0, CARE_PACKS_MAX>,
        /// Packs of which something is damaged still.
        unhealed: List<PackId, 0, CARE_PACKS_MAX>,
        /// Whether the index was built anew.
        index: bool,
    }
}
