//! Nothing is recorded of a run that is not known.

use super::*;

/// What began is not recorded as put off before it did: that would be done once more, blindly.
pub(super) fn believed(real: &[Real<'_>], moments: &[Moment], bad: &mut Bad) {
    let began = real.iter().filter(|attempt| attempt.began.is_some());
    let began: BTreeSet<(RunId, u32)> = began.map(|a| (a.start.run, a.start.attempt)).collect();
    for (at, fact) in facts(moments) {
        let Fact::AttemptEnded(ended) = fact else {
            continue;
        };
        // What was done and asked to be put off has an exit code.
        let never = matches!(ended.what, What::Step { .. })
            && ended.outcome == Outcome::Postponed
            && ended.exit_code.is_none();
        if never && began.contains(&(ended.run, ended.attempt)) {
            let what = &ended.what;
            bad.push(format!(
                "{what:?} began, and is recorded at {at} as put off"
            ));
        }
    }
}
