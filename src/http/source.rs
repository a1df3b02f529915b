//! Where answers come from: the daemon's loop is asked, and nothing is shared with it.
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::Snapshot;
use super::calendar::{Calendar, Changes, Dated};

/// One question to the loop; it is answered by sending, or dropped.
#[derive(Debug)]
pub enum Asked {
    /// What is.
    Snapshot(oneshot::Sender<Snapshot>),
    /// What calendars show: a plan that looks further ahead.
    Calendar(oneshot::Sender<Calendar>),
}

/// A loop that does not answer within this is not there.
const PATIENCE: Duration = Duration::from_secs(2);
/// An answer serves all questions for this long, so that many readers cost the loop no more than one.
const FRESH: Duration = Duration::from_millis(500);
/// The same of calendars, which cost more and are asked for by the hour.
const CALENDAR_FRESH: Duration = Duration::from_secs(10);
/// Questions that may wait. There is one of each kind at a time: the rest wait here for its answer.
const QUESTIONS: usize = 2;

/// The handle through which requests ask the loop.
#[derive(Clone, Debug)]
pub struct Source {
    questions: mpsc::Sender<Asked>,
    last: Arc<Mutex<Option<Answer<Snapshot>>>>,
    calendar: Arc<Mutex<(Changes, Option<Answer<Dated>>)>>,
}

type Answer<T> = (Instant, Arc<T>);

impl Source {
    /// The handle, and what the loop receives the questions from.
    pub fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (questions, asked) = mpsc::channel(QUESTIONS);
        (
            Self {
                questions,
                last: Arc::default(),
                calendar: Arc::default(),
            },
            asked,
        )
    }

    /// What is, at most half a second old; `None` where the loop does not answer within two seconds.
    pub(super) async fn ask(&self) -> Option<Arc<Snapshot>> {
        let answer = async {
            let mut last = self.last.lock().await;
            if let Some(snapshot) = fresh(&last, FRESH) {
                return Some(snapshot);
            }
            let (asked, answer) = oneshot::channel();
            self.questions.send(Asked::Snapshot(asked)).await.ok()?;
            Some(keep(&mut last, answer.await.ok()?))
        };
        timeout(PATIENCE, answer).await.ok().flatten()
    }

    /// What calendars show, at most ten seconds old.
    pub(super) async fn ask_calendar(&self) -> Option<Arc<Dated>> {
        let answer = async {
            let (changes, last) = &mut *self.calendar.lock().await;
            if let Some(calendar) = fresh(last, CALENDAR_FRESH) {
                return Some(calendar);
            }
            let (asked, answer) = oneshot::channel();
            self.questions.send(Asked::Calendar(asked)).await.ok()?;
            let calendar = changes.date(answer.await.ok()?);
            Some(keep(last, calendar))
        };
        timeout(PATIENCE, answer).await.ok().flatten()
    }
}

fn fresh<T>(last: &Option<Answer<T>>, within: Duration) -> Option<Arc<T>> {
    let (at, answer) = last.as_ref()?;
    (at.elapsed() < within).then(|| answer.clone())
}

fn keep<T>(last: &mut Option<Answer<T>>, answer: T) -> Arc<T> {
    let answer = Arc::new(answer);
    *last = Some((Instant::now(), answer.clone()));
    answer
}
