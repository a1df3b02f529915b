//! Where answers come from: the daemon's loop is asked, and nothing is shared with it.
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::Snapshot;

/// One question to the loop; it is answered by sending, or dropped.
pub type Asked = oneshot::Sender<Snapshot>;

/// A loop that does not answer within this is not there.
const PATIENCE: Duration = Duration::from_secs(2);
/// An answer serves all questions for this long, so that many readers cost the loop no more than one.
const FRESH: Duration = Duration::from_millis(500);
/// Questions that may wait. There is one at a time: the rest wait here for its answer.
const QUESTIONS: usize = 1;

/// The handle through which requests ask the loop.
#[derive(Clone, Debug)]
pub struct Source {
    questions: mpsc::Sender<Asked>,
    last: Arc<Mutex<Option<Answer>>>,
}

type Answer = (Instant, Arc<Snapshot>);

impl Source {
    /// The handle, and what the loop receives the questions from.
    pub fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (questions, asked) = mpsc::channel(QUESTIONS);
        (
            Self {
                questions,
                last: Arc::default(),
            },
            asked,
        )
    }

    /// What is, at most half a second old; `None` where the loop does not answer within two seconds.
    pub(super) async fn ask(&self) -> Option<Arc<Snapshot>> {
        timeout(PATIENCE, self.answer()).await.ok().flatten()
    }

    async fn answer(&self) -> Option<Arc<Snapshot>> {
        let mut last = self.last.lock().await;
        if let Some((at, snapshot)) = &*last
            && at.elapsed() < FRESH
        {
            return Some(snapshot.clone());
        }
        let (asked, answer) = oneshot::channel();
        self.questions.send(asked).await.ok()?;
        let snapshot = Arc::new(answer.await.ok()?);
        *last = Some((Instant::now(), snapshot.clone()));
        Some(snapshot)
    }
}
