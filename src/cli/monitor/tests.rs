use super::super::fixture::{at, loaded};
use super::super::load;
use super::*;
use crate::core::plan::outlook;
use crate::core::report::{Daemon, Shell, status};
use crate::core::state::{AlarmState, Attention, AttentionKind, State};

/// Every host of a job fails, and then an app does not come back.
fn crowded() -> State {
    let mut state = State::default();
    let attention = |kind, text: String, since: &str| Attention {
        kind,
        text,
        since: at(since),
        app: None,
        alarm: AlarmState::None,
    };
    for number in 1..=300 {
        let name = format!("collect@h{number:04}");
        let text = format!("{name} unreachable: refused");
        let since = "2026-11-23T10:00:00Z";
        let failing = attention(AttentionKind::PeriodicFailing, text, since);
        state
            .attention
            .insert(format!("periodic:{name}").into(), failing);
    }
    let text = "shop does not come back".to_owned();
    let leave = attention(AttentionKind::LeaveFailing, text, "2026-11-23T11:00:00Z");
    state.attention.insert("leave:shop".into(), leave);
    state
}

fn seen() -> Status {
    let now = at("2026-11-23T12:00:00Z");
    let policy = loaded().policy;
    let state = crowded();
    let plan = outlook(&policy, &state, now, load::days_after(now, 2));
    let daemon = Daemon {
        running: true,
        ..Daemon::default()
    };
    let shell = Shell {
        daemon,
        ..Shell::default()
    };
    status(&policy, &state, &plan, now).with(&policy, shell)
}

#[test]
fn what_is_worst_is_not_hidden_by_what_is_many() {
    let status = seen();
    assert_eq!(status.attention[0].kind, "leave_failing");
    assert!(status.attention[0].critical);
    assert_eq!(status.counts.attention, 301);
    let limits = (SignedDuration::from_mins(5), SignedDuration::from_mins(30));
    let (level, line) = judge(&status, limits);
    assert_eq!(level, Level::Critical, "{line}");
    let begins = "OFFHOURS CRITICAL - shop does not come back (for 1 h); \
                  collect: 300 of 300 hosts fail, e.g. h0001 unreachable: refused (for 2 h) | attention=301;0 ";
    assert!(line.starts_with(begins), "{line}");
}

#[test]
fn strangers_do_not_see_which_hosts_fail() {
    let public = seen().public();
    let shown = format!("{:?} {:?}", public, public.matters());
    assert!(
        !shown.contains("h0001") && !shown.contains("refused"),
        "{shown}"
    );
    assert!(shown.contains("collect: 300 of 300 hosts fail"), "{shown}");
}
