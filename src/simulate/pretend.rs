//! A world in which everything goes well and nothing is done: commands succeed at once, mail is accepted.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

use crate::clock::{self, Compare, Look, Moved, StepWatch};
use crate::core::effect::Effect;
use crate::core::event::{Answer, Event};
use crate::core::fact::Fact;
use crate::core::policy::Policy;
use crate::core::report::{self, Line};
use crate::core::run::{End, Report};
use crate::core::state::State;
use crate::daemon::announce::Announcer;
use crate::daemon::{Heard, World};
use crate::mail::Mailer;

/// The real clock, no hands.
pub struct Pretend {
    answers: VecDeque<Heard>,
    ears: mpsc::Receiver<Heard>,
    announcer: Announcer,
    steps: Option<StepWatch>,
    compare: Compare,
}

impl Pretend {
    /// The world, and the mouth through which it is stopped.
    pub fn new(announcer: Announcer) -> (Self, mpsc::Sender<Heard>) {
        let (tell, ears) = mpsc::channel(16);
        let compare = Compare::new(Look::now());
        let pretend = Self {
            answers: VecDeque::new(),
            ears,
            announcer,
            steps: StepWatch::new().ok(),
            compare,
        };
        (pretend, tell)
    }
}

impl World for Pretend {
    fn now(&self) -> Timestamp {
        clock::now()
    }

    async fn hear(&mut self, until: Option<Timestamp>) -> Vec<Heard> {
        let moved = self
            .compare
            .look(Look::now())
            .into_iter()
            .map(|moved| match moved {
                Moved::Stepped(by) => Event::ClockStepped { by }.into(),
                Moved::Slept(after) => Event::Resumed { after }.into(),
            });
        let mut heard: Vec<Heard> = moved.collect();
        if let Some(answer) = self.answers.pop_front() {
            heard.push(answer);
        }
        if !heard.is_empty() {
            return heard;
        }
        let sleep = async {
            match until {
                Some(at) => {
                    let left = at.duration_since(clock::now());
                    tokio::time::sleep(Duration::try_from(left).unwrap_or(Duration::ZERO)).await;
                }
                None => std::future::pending().await,
            }
        };
        let stepped = async {
            match &self.steps {
                Some(steps) => steps.stepped().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            told = self.ears.recv() => heard.extend(told),
            () = stepped => {}
            () = sleep => {}
        }
        heard
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Start(start) => {
                let report = Report {
                    end: End::Exited { code: 0 },
                    elapsed: SignedDuration::ZERO,
                    output_bytes: 0,
                    log: false,
                    tail: String::new(),
                };
                self.answers.push_back(
                    Event::Ended {
                        run: start.run,
                        report,
                    }
                    .into(),
                );
            }
            Effect::Send { notice, .. } => {
                self.answers.push_back(
                    Event::Answered {
                        notice,
                        answer: Answer::Accepted,
                    }
                    .into(),
                );
            }
            Effect::Stop { .. } | Effect::Ask { .. } | Effect::Exit { .. } => {}
        }
    }

    fn recorded(&mut self, at: Timestamp, facts: &[Fact], _: &State, _: bool) {
        for line in facts.iter().flat_map(|fact| report::event(at, fact)) {
            self.announcer.tell(line);
        }
    }

    fn policy(&mut self, _: &Policy) {}

    fn mail(&mut self, _: Option<Mailer>, _: Option<Mailer>) {}

    fn replanned(&mut self, lines: Vec<Line>) {
        lines.into_iter().for_each(|line| self.announcer.tell(line));
    }

    fn trouble(&mut self, what: Option<&str>) {
        if let Some(what) = what {
            tracing::error!("{what}");
        }
    }
}
