//! Letters about nothing that will happen.

use jiff::{SignedDuration, Timestamp};

use super::{Letter, LetterJob, LetterKind};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What a sample is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    pub installation: &'a str,
    pub app: &'a str,
    pub app_description: Option<&'a str>,
    pub contact: &'a [String],
    /// Whether everything is said that may be left out.
    pub full: bool,
}

impl<R: Clone> Letter<R> {
    /// One of this kind as it might come, sent at `date` for a night later: nothing in it is planned.
    pub fn sample(kind: LetterKind, about: About<'_>, date: Timestamp, to: R) -> Self {
        let after = |hours: i64| {
            date.saturating_add(HOUR * i32::try_from(hours).unwrap_or(0))
                .unwrap_or(date)
        };
        let ended = matches!(kind, LetterKind::Finished | LetterKind::Failed);
        let put_off = kind == LetterKind::Postponed;
        let job = |name: &str, outcome: &str| LetterJob {
            name: name.to_owned(),
            description: about.full.then(|| "An example of work".to_owned()),
            hosts: vec!["local".to_owned()],
            if_needed: about.full && !ended,
            outcome: ended.then(|| outcome.to_owned()),
            detail: (kind == LetterKind::Failed && about.full).then(|| "exit 1".to_owned()),
            ends: Vec::new(),
            ask_again: false,
        };
        let last = if kind == LetterKind::Failed {
            "failed"
        } else {
            "succeeded"
        };
        let mut letter = Self {
            kind,
            app: about.app.to_owned(),
            app_description: about.app_description.map(str::to_owned),
            window: "example".to_owned(),
            session: format!("{}/example/1", about.app),
            uid: "offhours-example".to_owned(),
            opens: after(13),
            closes: after(20),
            longer: if about.full {
                HOUR
            } else {
                SignedDuration::ZERO
            },
            starts: after(13),
            expected: SignedDuration::from_mins(45),
            jobs: vec![job("backup", "succeeded"), job("update", last)],
            reason: (about.full && (put_off || ended)).then(|| "this is an example".to_owned()),
            next: (about.full && put_off).then(|| after(37)),
            ..Self::test(
                about.installation,
                about.contact,
                "offhours.example".to_owned(),
                date,
                to,
            )
        };
        match kind {
            LetterKind::Operators => {
                letter.text = vec!["session failed".to_owned(), "this is an example".to_owned()];
                letter.window = String::new();
                letter.jobs = Vec::new();
            }
            LetterKind::Digest => {
                let part = |number: i64| Self {
                    kind: LetterKind::Advance,
                    session: format!("{}/example/{number}", about.app),
                    starts: after(24 * number - 11),
                    ..letter.clone()
                };
                letter.parts = (1..=2).map(part).collect();
            }
            LetterKind::Test => {
                return Self::test(
                    about.installation,
                    about.contact,
                    letter.message_id,
                    date,
                    letter.recipient,
                );
            }
            _ => {}
        }
        letter
    }
}

impl<R> Letter<R> {
    /// Whether mail arrives at all: about no app and no work.
    pub fn test(
        installation: &str,
        contact: &[String],
        id: String,
        date: Timestamp,
        to: R,
    ) -> Self {
        Self {
            kind: LetterKind::Test,
            message_id: id,
            in_reply_to: None,
            date,
            installation: installation.to_owned(),
            app: String::new(),
            app_description: None,
            window: String::new(),
            session: String::new(),
            uid: String::new(),
            sequence: 0,
            opens: date,
            closes: date,
            longer: SignedDuration::ZERO,
            starts: date,
            expected: SignedDuration::ZERO,
            jobs: Vec::new(),
            reason: None,
            next: None,
            early: false,
            contact: contact.to_vec(),
            recipient: to,
            text: Vec::new(),
            parts: Vec::new(),
        }
    }
}
