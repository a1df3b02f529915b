//! That the daemon lives is told while its loop turns and what it does is recorded, and by nobody else.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::world::Heard;
use crate::core::policy::Policy;
use crate::core::state::State;
use crate::ping::Pinger;

/// A loop that does not answer within this does not turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Says so again and again, as often as is asked for. Never ends by itself.
pub async fn tell(loop_: mpsc::Sender<Heard>, pinger: Pinger) {
    let mut every = pinger.every();
    loop {
        let asked = *every.borrow_and_update();
        if asked.is_some() {
            if is_well(&loop_).await {
                pinger.alive();
            } else {
                tracing::warn!(
                    "nobody is told that this daemon lives: it does not turn, or cannot record what it does"
                );
            }
        }
        let pause = async {
            match asked {
                Some(pause) => sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = pause => {}
            // The pinger that is held here keeps it open.
            _ = every.changed() => {}
        }
    }
}

async fn is_well(loop_: &mpsc::Sender<Heard>) -> bool {
    let (say, said) = oneshot::channel();
    let look = move |_: &Policy, state: &State, _| {
        let _ = say.send(state.live.unwritable.is_none());
    };
    let asked = async {
        loop_.send(Heard::Look(Box::new(look))).await.ok()?;
        said.await.ok()
    };
    timeout(PATIENCE, asked).await.ok().flatten() == Some(true)
}
