//! `status --follow`: the status again whenever something happens.
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{of, show};
use crate::cli::changes::Changes;
use crate::cli::elsewhere;
use crate::cli::load::{self, Context};
use crate::cli::out::{self, Out};
use crate::cli::refusal::Refusal;
use crate::config::Loaded;
use crate::control::{self, ControlError, Reading};
use crate::core::report::Status;
use crate::exit::Exit;

/// Time passes also where nothing happens; nobody is told when the daemon is killed.
const A_WHILE: Duration = Duration::from_secs(5);
/// Much that happens at once is shown once.
const NO_SOONER: Duration = Duration::from_millis(250);
/// A file that was changed is read again.
const CONFIG: Duration = Duration::from_secs(60);

/// From the state itself. Ends when interrupted, or when nobody reads any more.
///
/// # Errors
/// Output that cannot be written; a state that cannot be read.
pub fn here(mut loaded: Loaded, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let changes = Changes::new()?;
    changes.watch(&loaded.settings.state_dir)?;
    let mut read = Instant::now();
    let mut last: Option<Status> = None;
    loop {
        if read.elapsed() >= CONFIG {
            read = Instant::now();
            // One that is refused holds for nobody.
            loaded = context.load().unwrap_or(loaded);
        }
        let status = of(&loaded, load::now())?;
        if out.is_terminal() && !context.json {
            screen(out, |out| show(&loaded.policy, &status, true, out))?;
        } else if let now = timeless(&status)
            && last.as_ref() != Some(&now)
        {
            match context.json {
                true => out.json(&status)?,
                false => {
                    show(&loaded.policy, &status, true, out)?;
                    out.line(format_args!(""))?;
                }
            }
            last = Some(now);
        }
        out.flush()?;
        let shown = Instant::now();
        changes.wait(Some(A_WHILE))?;
        if nobody_reads() {
            return Ok(Exit::Ok);
        }
        rest(shown);
    }
}

/// The same by asking the daemon, for who cannot read the state.
///
/// # Errors
/// Output that cannot be written; a daemon that refuses, or, not on a terminal, that cannot be reached.
pub fn there(socket: &Path, json: bool, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let terminal = out.is_terminal() && !json;
    let mut last = String::new();
    loop {
        out.look_again();
        let look = elsewhere::look(json, out);
        let mut text = String::new();
        let read = control::read(socket, Reading::Status { bars: true }, look, |part| {
            text.push_str(part);
            Ok(())
        });
        let shown = Instant::now();
        match read {
            Ok((code, said)) if text.is_empty() => {
                let (exit, text) = (Exit::of(code), said.trim_end().to_owned());
                return Err(Refusal { exit, text }.into());
            }
            Ok(_) if terminal => screen(out, |out| Ok(out.bytes(text.as_bytes())?))?,
            Ok(_) => {
                let now = comparable(&text, json);
                if now != last {
                    out.bytes(text.as_bytes())?;
                    last = now;
                }
            }
            // It is being restarted, perhaps.
            Err(error) if terminal && unreachable(&error) => {
                let text = crate::text::clean(&error.to_string()).into_owned();
                screen(out, |out| Ok(out.line(format_args!("{text}"))?))?;
            }
            Err(error) => return Err(elsewhere::refusal(error)),
        }
        out.flush()?;
        if control::wait(socket).is_err() {
            std::thread::sleep(A_WHILE);
        }
        if nobody_reads() {
            return Ok(Exit::Ok);
        }
        rest(shown);
    }
}

/// Whether the other end of standard output was closed: where nothing changes, nothing is written that would tell.
fn nobody_reads() -> bool {
    let out = std::io::stdout();
    let mut fds = [PollFd::new(&out, PollFlags::empty())];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let told = poll(&mut fds, Some(&at_once));
    told.is_ok() && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

fn unreachable(error: &anyhow::Error) -> bool {
    let control = error.downcast_ref::<ControlError>();
    control.is_some_and(|error| error.exit() == Exit::Unreachable)
}

/// What was printed, without what only time changes.
fn comparable(text: &str, json: bool) -> String {
    if !json {
        return text.lines().skip(1).collect();
    }
    let mut value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    value["now"] = serde_json::Value::Null;
    for lock in value["locks"].as_array_mut().into_iter().flatten() {
        lock["age_s"] = serde_json::Value::Null;
    }
    for rollout in value["rollouts"].as_array_mut().into_iter().flatten() {
        rollout["expected_end"] = serde_json::Value::Null;
    }
    value.to_string()
}

/// The same without what only time changes.
fn timeless(status: &Status) -> Status {
    let mut status = status.clone();
    status.now = Timestamp::UNIX_EPOCH;
    for lock in &mut status.shell.locks {
        lock.age = None;
    }
    for rollout in &mut status.rollouts {
        rollout.expected_end = Timestamp::UNIX_EPOCH;
    }
    status
}

fn rest(shown: Instant) {
    std::thread::sleep(NO_SOONER.saturating_sub(shown.elapsed()));
}

/// In the place of what was there, from the top; what does not fit below is left out.
fn screen(
    out: &mut Out<'_>,
    show: impl FnOnce(&mut Out<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    out.look_again();
    let mut frame = Vec::new();
    show(&mut out.like(&mut frame))?;
    let text = String::from_utf8_lossy(&frame);
    let (width, mut room) = (out.width.unwrap_or(80), out::height().saturating_sub(1));
    out.bytes(b"\x1b[H")?;
    for line in text.lines() {
        let takes = columns(line).div_ceil(width).max(1);
        if takes > room {
            break;
        }
        room -= takes;
        out.bytes(line.as_bytes())?;
        out.bytes(b"\x1b[K\n")?;
    }
    out.bytes(b"\x1b[J")?;
    Ok(())
}

/// How many characters are seen of a line.
fn columns(line: &str) -> usize {
    let mut colour = false;
    let seen = |c: &char| {
        match c {
            '\u{1b}' => colour = true,
            'm' if colour => {
                colour = false;
                return false;
            }
            _ => {}
        }
        !colour
    };
    line.chars().filter(seen).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_take_no_room() {
        assert_eq!(columns("\u{1b}[1mmm\u{1b}[0m ██"), 5);
    }

    #[test]
    fn that_time_passes_is_no_change() {
        let at = |now: &str, age: u32, run: u32| {
            format!(r#"{{"now":"{now}","locks":[{{"name":"a","age_s":{age}}}],"running":[{run}]}}"#)
        };
        let first = comparable(&at("a", 1, 7), true);
        assert_eq!(first, comparable(&at("b", 2, 7), true));
        assert_ne!(first, comparable(&at("a", 1, 8), true));
    }
}
