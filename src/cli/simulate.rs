//! `simulate`: what would the next months look like?
mod digest;

use std::sync::Arc;

use jiff::SignedDuration;

use self::digest::Digest;
use super::args::{FaultsArg, SimulateArgs};
use super::load::{self, Context};
use super::out::Out;
use super::refusal::Refusal;
use crate::core::policy::Policy;
use crate::core::report::{Line, counted, when};
use crate::exit::Exit;
use crate::simulate::{Broken, Dice, Events, Faults, Play, befall, watch};
use crate::text::clean;

/// Longer than any play goes on after its days: what is open by then stays open.
const REST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Plays the daemon's own loop from an empty record, and prints what happens.
///
/// # Errors
/// When the configuration is refused, a time cannot be read, or the play shows a defect of the program.
pub fn run(args: &SimulateArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let policy = Arc::new(context.load()?.policy);
    let from = load::time(&args.from, &policy.zone, context.now)?;
    let span = SignedDuration::from_hours(24 * i64::from(args.days));
    let faults = match args.faults {
        FaultsArg::None => Faults::None,
        FaultsArg::Some => Faults::Some,
        FaultsArg::All => Faults::All,
    };
    let mut dice = Dice::new(args.seed, faults);
    dice.usual = usual(&policy);
    let play = Play {
        policies: vec![Arc::clone(&policy)],
        from,
        length: span.saturating_add(REST),
        happenings: befall(args.seed, faults, span, &policy),
        dice,
    };
    let people = !context.json;
    if people {
        let days = counted(args.days as usize, "day", "days");
        let wrong = args.faults.words();
        let begin = when(&policy.zone, from);
        let seed = args.seed;
        out.line(format_args!(
            "{days} from {begin}, {wrong}, seed {seed}; nothing is recorded at the start\n"
        ))?;
    }
    let mut digest = Digest::new(&policy.zone, args.limit.for_people());
    let mut failed = None;
    let mut events = Events::new(|line: Line| {
        let told = match (people, args.events) {
            (false, _) => out.json(&line),
            (true, true) => {
                digest.count(&line);
                let at = policy.zone.zoned(line.at);
                let stamp = at.strftime("%a %Y-%m-%d %H:%M:%S %:z");
                out.line(format_args!("{stamp}  {}", clean(&line.to_string())))
            }
            (true, false) => match digest.count(&line) {
                Some(row) => out.line(format_args!("{row}")),
                None => Ok(()),
            },
        };
        told.map_err(|error| failed = Some(error)).is_ok()
    });
    let close = watch(play, &mut events);
    let open: Vec<String> = events.open().map(ToString::to_string).collect();
    if let Some(error) = failed {
        return Err(error.into());
    }
    if people {
        digest.sum(out)?;
    }
    if let Some(broken) = close.broken {
        return Err(defect(args, &broken));
    }
    if !open.is_empty() {
        let open = open.join(", ");
        let text = format!("still open two weeks after the last fault: {open}");
        return Err(Refusal {
            exit: Exit::Failed,
            text,
        }
        .into());
    }
    Ok(Exit::Ok)
}

/// How long jobs say that they take.
fn usual(policy: &Policy) -> std::collections::BTreeMap<crate::core::policy::Name, SignedDuration> {
    let jobs = policy.maintenance.values();
    jobs.filter_map(|job| Some((job.name.clone(), job.estimate?)))
        .collect()
}

/// The program contradicts itself: not the user's doing.
fn defect(args: &SimulateArgs, broken: &Broken) -> anyhow::Error {
    let what = match broken {
        Broken::Fault(illegal) => format!("a decision contradicts the record: {illegal}"),
        Broken::Unloadable(why) => format!("the record cannot be read back: {why}"),
        Broken::Differs(how) => format!("the record comes to another state: {how}"),
        Broken::Spun => "the daemon would turn without an end".to_owned(),
    };
    let text = format!(
        "a defect of offhours, please report it with the configuration and seed {}: {what}",
        args.seed
    );
    Refusal {
        exit: Exit::Failed,
        text,
    }
    .into()
}

impl FaultsArg {
    fn words(self) -> &'static str {
        match self {
            Self::None => "nothing goes wrong",
            Self::Some => "commands and mails fail",
            Self::All => "everything fails now and then",
        }
    }
}
