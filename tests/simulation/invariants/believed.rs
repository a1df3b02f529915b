//! Nothing is recorded of a run that is not known.

use super::*;

/// What began is not recorded as something that waited for a lock in vain: that would be done once more, blindly.
pub(super) fn believed(real: &[Real<'_>], moments: &[Moment], bad: &mut Bad) {
    let began = real.iter().filter(|attempt| attempt.began.is_some());
    let began: BTreeSet<(RunId, u32)> = began.map(|a| (a.start.run, a.start.attempt)).collect();
    for (at, fact) in facts(moments) {
        let Fact::AttemptEnded(ended) = fact else {
            continue;
        };
        let locked = ended
            .reason
            .as_ref()
            .is_some_and(|reason| reason.code == Code::Locked);
        if locked && began.contains(&(ended.run, ended.attempt)) {
            let what = &ended.what;
            bad.push(format!("{what:?} began, and is recorded at {at} as locked"));
        }
    }
}
