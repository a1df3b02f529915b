//! How far a delivery came, and what a failure there means.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::mail::Answer;

/// The steps of a delivery, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    Connect,
    Greeting,
    StartTls,
    Login,
    Sender,
    Recipient,
    Data,
    /// The message is being sent, its end is not.
    Content,
    /// The end of the message is being sent, or was.
    Dot,
}

impl Stage {
    const ALL: [Self; 9] = [
        Self::Connect,
        Self::Greeting,
        Self::StartTls,
        Self::Login,
        Self::Sender,
        Self::Recipient,
        Self::Data,
        Self::Content,
        Self::Dot,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Greeting => "greeting",
            Self::StartTls => "starting TLS",
            Self::Login => "login",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data => "DATA",
            Self::Content => "sending the message",
            Self::Dot => "end of the message",
        }
    }
}

/// The stage of a running delivery, readable after its time-out has dropped it.
#[derive(Debug)]
pub(super) struct Progress(AtomicU8);

impl Progress {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(Stage::Connect as u8))
    }

    pub(super) fn reach(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Release);
    }

    pub(super) fn stage(&self) -> Stage {
        let reached = usize::from(self.0.load(Ordering::Acquire));
        Stage::ALL.get(reached).copied().unwrap_or(Stage::Dot)
    }
}

/// What went wrong.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server answered with a code that says no.
    Refused { code: u16, text: String },
    /// No connection, a broken one, no TLS, or an answer that is none.
    Broken(String),
}

impl Failure {
    /// The connection may merely have been too old: closed by the server, or about to be.
    pub(super) fn stale(&self) -> bool {
        match self {
            Self::Refused { code, .. } => *code == 421,
            Self::Broken(_) => true,
        }
    }
}

/// Whether another server that does the same may be asked: this one cannot be reached, is broken, or says no to us
/// rather than to the recipient or the message, and cannot have taken the message.
pub(super) fn elsewhere(stage: Stage, failure: &Failure) -> bool {
    match failure {
        _ if stage == Stage::Dot => false,
        Failure::Broken(_) => true,
        Failure::Refused { .. } if stage <= Stage::Sender => true,
        Failure::Refused { code, .. } => matches!(code, 421 | 530 | 534 | 535 | 538),
    }
}

/// The rule: no for this recipient or this message is permanent, no to us is for a person to repair and worth
/// another try, silence after the final dot is unknown.
pub(super) fn classify(server: &str, stage: Stage, failure: &Failure) -> Answer {
    let at = stage.words();
    match failure {
        Failure::Refused { code, text } if stage == Stage::Login => Answer::temporary(&format!(
            "{server} refused our user name or password: {code} {text}"
        )),
        Failure::Refused {
            code: code @ (530 | 534 | 535 | 538),
            text,
        } => Answer::temporary(&format!(
            "{server} wants other login or TLS settings than ours, at {at}: {code} {text}"
        )),
        Failure::Refused { code, text } => {
            let why = format!("{server} refused at {at}: {code} {text}");
            if (500..600).contains(code) && stage >= Stage::Recipient {
                Answer::permanent(&why)
            } else {
                Answer::temporary(&why)
            }
        }
        Failure::Broken(text) if stage == Stage::Dot => Answer::unknown(&format!(
            "{server} gave no answer to the whole message, it may have been delivered: {text}"
        )),
        Failure::Broken(text) if stage == Stage::Connect => {
            Answer::temporary(&format!("cannot reach {server}: {text}"))
        }
        Failure::Broken(text) => Answer::temporary(&format!("{server} broke off at {at}: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(stage: Stage, code: u16) -> Answer {
        classify(
            "mx",
            stage,
            &Failure::Refused {
                code,
                text: "no".into(),
            },
        )
    }

    #[test]
    fn a_code_means_what_its_stage_says() {
        for stage in Stage::ALL {
            assert!(
                matches!(refused(stage, 451), Answer::Temporary { .. }),
                "{stage:?}"
            );
            let about_them = matches!(refused(stage, 550), Answer::Permanent { .. });
            assert_eq!(about_them, stage >= Stage::Recipient, "{stage:?}");
            assert!(
                matches!(refused(stage, 530), Answer::Temporary { .. }),
                "{stage:?}"
            );
        }
    }

    #[test]
    fn only_silence_after_the_dot_is_unknown() {
        for stage in Stage::ALL {
            let answer = classify("mx", stage, &Failure::Broken("gone".into()));
            assert_eq!(
                matches!(answer, Answer::Unknown { .. }),
                stage == Stage::Dot,
                "{stage:?}"
            );
            assert!(!matches!(
                answer,
                Answer::Permanent { .. } | Answer::Accepted { .. }
            ));
        }
    }

    #[test]
    fn another_server_is_asked_only_while_this_one_cannot_have_the_message() {
        let no = |code| Failure::Refused {
            code,
            text: "no".into(),
        };
        for stage in Stage::ALL {
            let before = stage < Stage::Dot;
            assert_eq!(elsewhere(stage, &Failure::Broken("gone".into())), before);
            assert_eq!(elsewhere(stage, &no(421)), before, "{stage:?}");
            let about_us = stage <= Stage::Sender;
            assert_eq!(elsewhere(stage, &no(550)), about_us, "{stage:?}");
            assert_eq!(elsewhere(stage, &no(451)), about_us, "{stage:?}");
        }
    }

    #[test]
    fn progress_keeps_every_stage() {
        let progress = Progress::new();
        for stage in Stage::ALL {
            progress.reach(stage);
            assert_eq!(progress.stage(), stage);
        }
    }
}
