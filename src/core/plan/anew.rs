//! What the plan would be if nothing had been told yet: what a changed configuration makes of what was.

use jiff::{SignedDuration, Timestamp};

use super::{PlannedSession, plan_sessions};
use crate::core::apply::lane;
use crate::core::policy::Policy;
use crate::core::session::Session;
use crate::core::state::State;

/// The plan without these sessions, which are known and have not begun. Deadlines are not looked at: what is told
/// already needs none.
pub fn anew(
    policy: &Policy,
    state: &State,
    told: &[Session],
    now: Timestamp,
) -> Vec<PlannedSession> {
    let Some(last) = told.iter().map(|session| session.opens).max() else {
        return Vec::new();
    };
    let (mut policy, mut state) = (policy.clone(), state.clone());
    for session in told {
        if let Some(app) = policy.apps.get_mut(&session.app) {
            app.lead = SignedDuration::ZERO;
            app.margin = SignedDuration::ZERO;
        }
        state.sessions.remove(&session.id);
        // Its window may open earlier that day by now.
        let midnight = policy.windows.get(&session.window).map(|window| {
            let day = window.zone.date(session.opens);
            window
                .zone
                .instant(day.to_datetime(jiff::civil::Time::midnight()))
        });
        let before = midnight.unwrap_or(session.opens);
        let before = before
            .saturating_sub(SignedDuration::from_nanos(1))
            .unwrap_or(before);
        if let Some(handled) = state.handled.get_mut(&lane(&session.app, &session.window)) {
            *handled = before.min(*handled);
        }
    }
    let until = last
        .saturating_add(SignedDuration::from_hours(48))
        .unwrap_or(last);
    plan_sessions(&policy, &state, now, until)
}

/// The one of them that takes the place of `session`: of the same app and window, on the same day, the nearest.
pub fn in_place_of<'a>(
    policy: &Policy,
    session: &Session,
    anew: &'a [PlannedSession],
) -> Option<&'a PlannedSession> {
    let zone = &policy.windows.get(&session.window)?.zone;
    let day = zone.date(session.opens);
    anew.iter()
        .filter(|planned| planned.app == session.app && planned.window == session.window)
        .filter(|planned| zone.date(planned.opens) == day)
        .min_by_key(|planned| planned.opens.duration_since(session.opens).abs())
}
