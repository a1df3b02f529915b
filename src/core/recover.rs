//! What follows a start: the processes of the last life are gone, what they were doing is settled.

use jiff::SignedDuration;

use super::agenda::Agenda;
use super::decide::Turn;
use super::fact::Fact;
use super::run::{End, Found, Report, RunId, SessionId};
use super::session::{Code, Phase, SessionResult};

/// That the command has ended with which a host restarts says nothing of whether it came up.
pub(super) fn restarted_unseen() -> End {
    End::Unheard {
        why: "offhours was stopped while the host restarted: whether it came up is not known"
            .into(),
    }
}

/// The daemon is up. Attempts of the last life are cut off first; entered apps are left before anything new starts.
pub(super) fn started(
    turn: &mut Turn<'_>,
    (boot, version, nonce): (String, String, String),
    alone: bool,
    found: &[(RunId, Found)],
) {
    // The last that is known of the last life: what was cut off lived at least until then.
    let last = turn.state.last;
    let rebooted = turn.state.boot != boot;
    if turn.state.nonce.is_empty() {
        turn.record(Fact::StateCreated { nonce });
    }
    turn.record(Fact::DaemonStarted { boot, version });
    turn.state.live.alone = alone;
    let cut_off: Vec<RunId> = turn.state.running.keys().copied().collect();
    let mut through: Vec<SessionId> = Vec::new();
    for run in cut_off {
        let running = turn.state.running.get(&run);
        if let Some(running) = running.filter(|running| running.reboot && rebooted && !alone) {
            through.extend(running.what.session().cloned());
            turn.came_up(run);
            continue;
        }
        let known = found.iter().find(|(known, _)| *known == run);
        // What only looked has changed nothing, whatever it saw.
        let looked = running.is_some_and(|running| running.what.is_question());
        let end = match known.map(|(_, found)| found) {
            Some(Found::Unheard { ordered }) if !looked => {
                turn.ask_of(run, *ordered);
                continue;
            }
            Some(Found::Ended(_)) if turn.restarts_its_host(run) => restarted_unseen(),
            Some(Found::Ended(end)) => end.clone(),
            // By the end of the last life, which the supervisors saw.
            None | Some(Found::Unheard { .. }) => End::Stopped { code: None },
        };
        let elapsed = turn
            .state
            .running
            .get(&run)
            .map(|r| last.duration_since(r.started));
        let report = Report {
            end,
            elapsed: elapsed.unwrap_or_default().max(SignedDuration::ZERO),
            output_bytes: 0,
            log: false,
            tail: String::new(),
        };
        turn.ended(run, &report);
    }
    // Between two attempts, or between two steps: cut off all the same.
    let entered: Vec<_> = turn
        .state
        .sessions
        .values()
        .filter(|s| matches!(s.phase, Phase::Entering | Phase::Active))
        .filter(|s| !through.contains(&s.id) && !turn.is_unheard(&s.id))
        .cloned()
        .collect();
    for session in entered {
        turn.begin_leaving(
            &session,
            SessionResult::Interrupted,
            Code::Interrupted.into(),
        );
    }
    for session in through {
        turn.reenter(&session);
    }
    // Without a configuration nothing is known of jobs: that is no reason to forget them.
    if !(alone && turn.policy.apps.is_empty() && turn.policy.windows.is_empty()) {
        turn.know_jobs();
        // The configuration may have changed while nobody was there.
        turn.reconcile();
    }
    *turn.agenda = Agenda::build(turn.policy, turn.state);
}
