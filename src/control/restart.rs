//! A daemon that is to be started anew, and that nobody may interrupt.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;

use super::peer::Peer;
use super::server::{Ears, say};
use super::wire::Reply;
use crate::core::event::Event;
use crate::core::policy::Policy;
use crate::core::state::State;
use crate::daemon::Heard;

/// Says what that waits for; the daemon ends when nothing is under way.
pub(super) async fn restart(
    write: &mut (impl AsyncWriteExt + Unpin),
    ears: &Ears,
    peer: Peer,
) -> std::io::Result<()> {
    let control = Arc::clone(&ears.control);
    let known =
        tokio::task::spawn_blocking(move || (peer.asker(&control), peer.may_change(&control)));
    let (by, may) = match known.await {
        Ok((by, may)) => (by.name, may),
        Err(_) => (String::new(), false),
    };
    let refuse = |why: String| Reply::Refused { why };
    if !may {
        let why = format!("{by} has no role in [control] roles");
        return say(write, &refuse(why)).await;
    }
    if !crate::systemd::supervised() {
        let why = "nothing would start the daemon again: it does not run as a service of systemd";
        return say(write, &refuse(why.into())).await;
    }
    let (asked, answer) = oneshot::channel();
    let look = move |_: &Policy, state: &State, _| {
        let _ = asked.send(under_way(state));
    };
    let stopping = || Reply::Refused {
        why: "the daemon is being stopped".into(),
    };
    if ears.tell.send(Heard::Look(Box::new(look))).await.is_err() {
        return say(write, &stopping()).await;
    }
    let Ok(words) = answer.await else {
        return say(write, &stopping()).await;
    };
    // Whoever asked may have given up meanwhile: then nothing is done.
    say(write, &Reply::Accepted).await?;
    tracing::info!(
        by,
        "the daemon is to be started anew when nothing is under way"
    );
    let _ = ears.tell.send(Event::RestartWanted.into()).await;
    let event = serde_json::json!({ "restart": "when_idle", "under_way": words });
    let words = match &*words {
        "" => "it is started anew now".to_owned(),
        words => format!("it is started anew when nothing is under way: {words}"),
    };
    say(write, &Reply::Event { event, words }).await?;
    say(write, &Reply::Done { well: true }).await
}

/// What a restart waits for, in words.
fn under_way(state: &State) -> String {
    let open = state.all_in_maintenance();
    let mut words: Vec<String> = open
        .take(8)
        .map(|session| format!("{} is in maintenance", session.app))
        .collect();
    match state.running.len() {
        0 => {}
        1 => words.push("one run has not ended".into()),
        runs => words.push(format!("{runs} runs have not ended")),
    }
    words.join(", ")
}
