//! What a worker sees of both sides, and by which rules it decides; a mutant is blind to something, or has another rule.

use super::stored::{Marked, ORIGIN, Obj, Says, Stored};
use super::{Mutant, Proof};
use crate::domain::reconcile::{
    Absence, BackupState, Foreign, NoSuchKey, NotListed, OriginState, Rules,
};

fn absent() -> OriginState {
    OriginState::Absent(Absence::proven(NoSuchKey(()), NotListed(())))
}

impl Proof {
    /// What a fingerprint covers of a state.
    pub(super) fn view(&self, of: Obj) -> Obj {
        match self.mutant {
            Some(Mutant::ComparesETagsOnly) => Obj {
                meta: 0,
                second: 0,
                ..of
            },
            Some(Mutant::FingerprintWithoutTime) => Obj { second: 0, ..of },
            _ => of,
        }
    }

    pub(super) fn seen(&self, sight: Option<Obj>) -> OriginState {
        sight.map_or_else(absent, |of| {
            OriginState::Present(self.view(of).state(), None)
        })
    }

    pub(super) fn rules(&self) -> Rules<'static> {
        let foreign = if self.overwrites || self.is(Mutant::OverwritesForeign) {
            Foreign::Overwrite
        } else {
            Foreign::Refuse
        };
        Rules {
            origin: ORIGIN,
            foreign,
            ..Rules::default()
        }
    }

    /// What a look shows of the backup; a mutant is blind to something.
    pub(super) fn shown(&self, mut stored: Stored, gone: bool) -> BackupState {
        let of = Obj {
            bytes: 0,
            meta: 0,
            second: 0,
        };
        if self.is(Mutant::DeletesUnmarked) && gone {
            let (ours, says) = (true, Says::Mark(stored.bytes));
            stored.mark = stored.mark.or(Some(Marked { of, ours, says }));
        }
        if self.is(Mutant::OverwritesAnothers) {
            stored.mark = stored.mark.filter(|mark| mark.ours);
        }
        if let Some(mark) = &mut stored.mark {
            if self.is(Mutant::NoProperties) {
                stored.meta = mark.of.meta;
            }
            if self.is(Mutant::TrustsWithoutSeal) && mark.says == Says::Seal(None) {
                mark.says = Says::Seal(Some(stored.bytes));
            }
        }
        let mut state = stored.state(|of| self.view(of));
        if let BackupState::Present(copy) = &mut state
            && self.is(Mutant::NoChecksum)
        {
            copy.checksum = None;
        }
        state
    }
}
