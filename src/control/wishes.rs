//! What an operator asks of a live daemon: looked at, tried on a copy, recorded.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::{broadcast, oneshot};

use super::peer::Peer;
use super::server::{Ears, say};
use super::wire::Reply;
use crate::core::event::Event;
use crate::core::foresee::{Foreseen, foresee};
use crate::core::policy::Policy;
use crate::core::report::Happening;
use crate::core::state::State;
use crate::core::wish::{Asked, LONGEST_REASON, Wish};
use crate::daemon::Heard;

/// What is asked for is recorded within this, or it cannot be said that it was.
const RECORDED_WITHIN: Duration = Duration::from_secs(15);
/// Octets of an answer in words, and as JSON.
const MOST: usize = 24 * 1024;

/// Does it, or says what would come of it.
pub(super) async fn ask(
    write: &mut (impl AsyncWriteExt + Unpin),
    ears: Ears,
    peer: Peer,
    (wish, reason, dry_run): (Wish, String, bool),
) -> std::io::Result<()> {
    let refuse = |why: String| Reply::Refused { why };
    let control = Arc::clone(&ears.control);
    let known =
        tokio::task::spawn_blocking(move || (peer.asker(&control), peer.may_change(&control)));
    let Ok((by, may)) = known.await else {
        return say(write, &refuse("it is not known who asks".into())).await;
    };
    if !may && !dry_run {
        let why = format!("{} has no role in [control] roles", by.name);
        return say(write, &refuse(why)).await;
    }
    if reason.len() > LONGEST_REASON {
        let why = format!("the reason is longer than {LONGEST_REASON} octets");
        return say(write, &refuse(why)).await;
    }
    let reason = crate::text::clean(&reason).into_owned();
    let asked = Asked { wish, by, reason };
    let (tell, told) = oneshot::channel();
    let look = {
        let asked = asked.clone();
        move |policy: &Policy, state: &State, now| {
            let _ = tell.send(foresee(policy, state, asked, now));
        }
    };
    let gone = "the daemon is being stopped";
    if ears.tell.send(Heard::Look(Box::new(look))).await.is_err() {
        return say(write, &refuse(gone.into())).await;
    }
    let foreseen = match told.await {
        Ok(Ok(foreseen)) => foreseen,
        Ok(Err(why)) => return say(write, &refuse(why)).await,
        Err(_) => return say(write, &refuse(gone.into())).await,
    };
    if dry_run {
        say(write, &Reply::Accepted).await?;
        return tell_all(write, &foreseen).await;
    }
    // Whoever asked may have given up meanwhile: then nothing is done.
    say(write, &Reply::Accepted).await?;
    let mut events = ears.events.subscribe();
    let (word, text) = (asked.wish.word(), asked.said());
    let event = Event::Asked(Box::new(asked));
    let _ = ears.tell.send(event.into()).await;
    let recorded = async {
        loop {
            match events.recv().await {
                Ok(line)
                    if line.event == Happening::Asked
                        && line.kind == Some(word)
                        && line.text.as_deref() == Some(&*text) =>
                {
                    return true;
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return false,
            }
        }
    };
    let recorded = tokio::time::timeout(RECORDED_WITHIN, recorded);
    let recorded = tokio::select! {
        biased;
        recorded = recorded => recorded == Ok(true),
        () = ears.tell.closed() => false,
    };
    if !recorded {
        let why =
            "it could not be recorded, or is no longer possible: `offhours status` says what is";
        return say(write, &refuse(why.into())).await;
    }
    tell_all(write, &foreseen).await
}

async fn tell_all(
    write: &mut (impl AsyncWriteExt + Unpin),
    foreseen: &Foreseen,
) -> std::io::Result<()> {
    let mut words = foreseen.words();
    let mut event = serde_json::to_value(foreseen).unwrap_or_default();
    // What thousands are told of does not fit into one line of the socket.
    if words.len() > MOST {
        words.truncate(words.floor_char_boundary(MOST));
        words.push('…');
    }
    if event.to_string().len() > MOST {
        event = serde_json::json!({ "now": foreseen.now, "wish": foreseen.wish, "served": foreseen.served });
    }
    say(write, &Reply::Event { event, words }).await?;
    say(write, &Reply::Done { well: true }).await
}
