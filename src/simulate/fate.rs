//! How attempts and mails end in a played world: by chance, or as a script says.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::core::effect::{Place, Start};
use crate::core::letter::Letter;
use crate::core::policy::Name;
use crate::core::run::{End, What};

/// How an attempt goes once it has its locks.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// Ends by itself after this.
    Ends(SignedDuration, End),
    /// Never ends by itself: only a timeout or a stop ends it.
    Hangs,
}

impl Fate {
    /// Ends with an exit code after so many seconds.
    pub fn exit(code: i32, seconds: i64) -> Self {
        Self::Ends(SignedDuration::from_secs(seconds), End::Exited { code })
    }
}

/// What the mail server does with a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Post {
    Accepts,
    /// 4xx.
    Later,
    /// 5xx.
    Refuses,
    /// No answer until the mailer gives up.
    Hangs,
    /// Takes it, and the answer is lost.
    TakesSilently,
}

/// Decides how an attempt goes; none leaves it to chance.
pub type Script = Box<dyn FnMut(&Start, jiff::Timestamp) -> Option<Fate>>;
/// Decides what becomes of a letter; none leaves it to chance.
pub type PostScript = Box<dyn FnMut(&Letter, jiff::Timestamp) -> Option<Post>>;

/// How much goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    None,
    /// Commands fail and mails are put off.
    Some,
    /// The daemon or what it starts commands with is killed, clocks jump and the disk fills up as well.
    All,
}

/// Everything that is left to chance; the same seed gives the same play.
pub struct Dice {
    rng: fastrand::Rng,
    faults: Faults,
    /// From here on everything goes well.
    pub calm: bool,
    pub hooks_broken: bool,
    /// Of what a kill of the daemon cut off on a host nothing is ever heard.
    pub silent: bool,
    /// How long commands of these jobs take when all is well; those of others take up to a quarter of their timeout.
    pub usual: BTreeMap<Name, SignedDuration>,
    pub script: Option<Script>,
    pub post: Option<PostScript>,
}

impl Dice {
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            faults,
            calm: false,
            hooks_broken: false,
            silent: false,
            usual: BTreeMap::new(),
            script: None,
            post: None,
        }
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u32) -> bool {
        self.rng.u32(0..n.max(1)) == 0
    }

    pub fn below(&mut self, n: u32) -> u32 {
        self.rng.u32(0..n.max(1))
    }

    /// Any length from nothing to `most`.
    pub fn up_to(&mut self, most: SignedDuration) -> SignedDuration {
        let millis = i64::try_from(most.as_millis()).unwrap_or(i64::MAX).max(0);
        SignedDuration::from_millis(self.rng.i64(0..=millis))
    }

    /// What a host tells that is asked how something ended, and when: soon, or when nothing of it can be `left` there.
    pub fn told(&mut self, left: SignedDuration) -> (SignedDuration, End) {
        if self.silent {
            let why = "it vanished".into();
            return (left.max(SignedDuration::ZERO), End::Unheard { why });
        }
        let pause = match self.below(3) {
            0 => left.max(SignedDuration::ZERO),
            _ => SignedDuration::from_secs(i64::from(self.below(600))),
        };
        let end = match self.below(3) {
            0 => End::Exited { code: 0 },
            1 => End::Exited { code: 1 },
            _ => End::Unheard {
                why: "it vanished".into(),
            },
        };
        (pause, end)
    }

    fn quiet(&self) -> bool {
        self.calm || self.faults == Faults::None
    }

    pub fn fate(&mut self, start: &Start, at: jiff::Timestamp) -> Fate {
        if let Some(fate) = self.script.as_mut().and_then(|script| script(start, at)) {
            return fate;
        }
        let hook = matches!(start.what, What::Enter { .. } | What::Leave { .. });
        if hook && self.hooks_broken && !self.calm {
            return Fate::exit(1, 1);
        }
        let step = matches!(start.what, What::Step { .. });
        let usual = start.what.job().filter(|_| step);
        let length = match usual.and_then(|job| self.usual.get(job)).copied() {
            Some(usual) => usual - self.up_to(usual / 4),
            // Well under the bound, so that a calm world has no timeouts.
            None => self.up_to(start.timeout / 4),
        };
        let ends = |code| Fate::Ends(length, End::Exited { code });
        if self.quiet() {
            return ends(0);
        }
        if matches!(start.place, Place::Host(_)) {
            let why = || "it does not answer".into();
            match self.below(40) {
                0 => return Fate::Ends(SignedDuration::ZERO, End::Unreachable { why: why() }),
                // The network broke; the host told later, or never.
                1 => return Fate::Ends(start.timeout, End::Unheard { why: why() }),
                _ => {}
            }
        }
        if let What::Ask { .. } = start.what {
            return match self.below(10) {
                0..5 => ends(0),
                5..8 => ends(1),
                8 => Fate::Hangs,
                _ => ends(7),
            };
        }
        match self.below(100) {
            0..74 => ends(0),
            74..80 => ends(1),
            80..83 => Fate::Ends(self.up_to(start.timeout * 2), End::Exited { code: 0 }),
            83..86 => Fate::Hangs,
            86..90 => ends(69),
            90..94 => ends(75),
            94..96 => Fate::Ends(length, End::Signalled { signal: 9 }),
            96..98 if self.faults == Faults::All => Fate::Ends(length, End::Lost),
            _ => Fate::Ends(
                SignedDuration::ZERO,
                End::SpawnFailed {
                    why: "no such file".into(),
                },
            ),
        }
    }

    pub fn post(&mut self, letter: &Letter, at: jiff::Timestamp) -> Post {
        if let Some(post) = self.post.as_mut().and_then(|post| post(letter, at)) {
            return post;
        }
        if self.quiet() {
            return Post::Accepts;
        }
        match self.below(100) {
            0..80 => Post::Accepts,
            80..92 => Post::Later,
            92..94 => Post::Refuses,
            94..97 => Post::Hangs,
            _ => Post::TakesSilently,
        }
    }
}
