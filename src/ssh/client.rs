//! `offhours internal-ssh`: one run on a host, as a process here. While it lives, and no longer, the job lives there.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::signal::unix::{self, SignalKind};
use tokio::time::{Instant, sleep_until, timeout};

use super::Verdict;
use super::conversation::{Conversation, Silence, Text};
use super::order::{LONGEST_SCRIPT, Order, VARIABLE};
use super::unreachable::one_line;

/// The hidden command, as the first argument.
pub const COMMAND: &str = "internal-ssh";

/// What it says of a run before its end, after the name of the run: somebody holds a lock on the host (and who), it
/// began after that, the host fell silent.
pub const WAITS: &str = "waits";
pub const BEGAN: &str = "began";
pub const SILENT: &str = "silent";
/// For the daemon to hear a word.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

/// What a host may take beside its own bounds: to start, to end a tree, for what is on the way.
const LATE: Duration = Duration::from_secs(60);
/// After the last word: for the next bytes of output, and for all of them.
const NEXT_OUTPUT: Duration = Duration::from_secs(2);
const ALL_OUTPUT: Duration = Duration::from_secs(60);
/// Bytes of output that are here at a time.
const CHUNK: usize = 32 << 10;

/// Becomes the client where the command line says so; `None`: this is an ordinary start of the program.
pub fn enter() -> Option<ExitCode> {
    if std::env::args_os().nth(1)? != COMMAND {
        return None;
    }
    let status = start().unwrap_or_else(|why| {
        // Where it prints to is the log of the run.
        let _ = io::Write::write_all(&mut io::stderr(), format!("{COMMAND}: {why}\n").as_bytes());
        70
    });
    Some(ExitCode::from(status))
}

fn start() -> Result<u8, String> {
    let order = std::env::var(VARIABLE)
        .map_err(|_| format!("{VARIABLE} is not set; this is no command for people"))?;
    let order = Order::from_variable(&order).map_err(|error| error.to_string())?;
    // The supervisor's own setting would kill this process. So it has time to hear the last word of the host.
    let supervisor = rustix::process::getppid();
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(|error| format!("cannot follow the supervisor: {error}"))?;
    // One that was killed before that tells nobody.
    if rustix::process::getppid() != supervisor {
        return Err("the supervisor is gone".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let verdict = runtime.block_on(run(&order));
    let status = verdict
        .map_err(|error| format!("cannot wait for signals: {error}"))
        .and_then(|verdict| {
            verdict.write(&order.verdict).map_err(|error| {
                let path = order.verdict.display();
                format!("cannot write {path}: {error}")
            })?;
            if let Verdict::Unknown { .. } = verdict {
                runtime.block_on(stay(&order));
            }
            Ok(verdict.status())
        });
    // Somebody who does not read our output holds a thread of it.
    runtime.shutdown_background();
    status
}

async fn run(order: &Order) -> io::Result<Verdict> {
    let mut stop = Stop::new()?;
    let script = match order.script.as_deref().map(script).transpose() {
        Ok(script) => script,
        Err(why) => return Ok(Verdict::NotStarted { why }),
    };
    let stopped = || Verdict::NotStarted {
        why: "it was stopped before it began".into(),
    };
    let opened = Conversation::open(&order.control, &order.r#become, Text::Run);
    let mut conversation = tokio::select! {
        opened = opened => match opened {
            Ok(conversation) => conversation,
            Err(Silence::Unreachable(why)) => return Ok(Verdict::Unreachable { why: one_line(&why) }),
            Err(Silence::Refused(why)) => return Ok(Verdict::NotStarted { why }),
        },
        () = stop.asked() => return Ok(stopped()),
    };
    // From the next moment on this is the truth, unless more is heard.
    let unknown = |why: &str| Verdict::Unknown { why: one_line(why) };
    // Without a file nothing was started: that has to hold after a loss of power, too.
    if let Err(error) = unknown("the client was killed").write_durably(&order.verdict) {
        let why = format!("cannot write {}: {error}", order.verdict.display());
        return Ok(Verdict::NotStarted {
            why: one_line(&why),
        });
    }
    let copied = Arc::new(AtomicU64::new(0));
    let output = conversation.output.take();
    let copying = tokio::spawn(copy(output, copied.clone()));

    let lines = order.lines(script.as_deref());
    let sent = tokio::select! {
        sent = conversation.send(&lines) => sent,
        // The end of an order that breaks off is missing, and the host does nothing.
        () = stop.asked() => false,
    };
    if stop.was_asked && !sent {
        return Ok(stopped());
    }
    let verdict = listen(order, &mut conversation, &mut stop, sent).await;
    conversation.lifeline = None;
    drain(copying, &copied).await;
    conversation.end();
    Ok(verdict)
}

/// While somebody asks the host. SIGTERM says nothing new: the handler for it stays.
async fn stay(order: &Order) {
    let bound = Duration::from_secs(order.bound_s() + 2 * order.grace_s) + LATE;
    let asked = async {
        // Who cannot be reached asks nobody.
        if let Some(mut stream) = say(order, SILENT).await {
            let _ = stream.read(&mut [0]).await;
        }
    };
    let _ = timeout(bound, asked).await;
}

/// Says something of the run to the daemon, if that can be done.
async fn say(order: &Order, words: &str) -> Option<UnixStream> {
    let path = order.tell.as_ref()?;
    let said = async {
        let mut stream = UnixStream::connect(path).await?;
        let line = format!("{} {words}\n", order.run);
        stream.write_all(line.as_bytes()).await?;
        io::Result::Ok(stream)
    };
    timeout(HEARD_WITHIN, said).await.ok()?.ok()
}

/// Until the host has said how it ended, or can say it no longer.
async fn listen(
    order: &Order,
    conversation: &mut Conversation,
    stop: &mut Stop,
    sent: bool,
) -> Verdict {
    let seconds = Duration::from_secs;
    let grace = seconds(order.grace_s) + LATE;
    let bound = seconds(order.lock_wait_s + order.bound_s() + order.grace_s) + grace;
    let mut deadline = Instant::now() + bound;
    // The time of the job is its own: what it waited for a lock there is none of it.
    let mut ends_at: Option<Instant> = None;
    let mut timed_out = false;
    let mut waited = false;
    loop {
        let ends = ends_at.unwrap_or(deadline);
        let word = tokio::select! {
            word = conversation.words.next() => word,
            () = sleep_until(ends), if ends_at.is_some() && !timed_out => {
                timed_out = true;
                conversation.lifeline = None;
                deadline = deadline.min(Instant::now() + grace);
                continue;
            }
            () = stop.asked(), if !stop.was_asked => {
                conversation.lifeline = None;
                deadline = deadline.min(Instant::now() + grace);
                continue;
            }
            () = sleep_until(deadline) => {
                return Verdict::Unknown { why: "the host did not say in time how it ended".into() };
            }
        };
        let Some(word) = word else {
            let noise = conversation.words.noise();
            let why = match noise.as_str() {
                "" => "the connection broke before the host said how it ended".into(),
                noise => format!("the connection broke before the host said how it ended: {noise}"),
            };
            let why = one_line(&why);
            return if sent {
                Verdict::Unknown { why }
            } else {
                Verdict::Unreachable { why }
            };
        };
        let (kind, rest) = word.split_once(' ').unwrap_or((&word, ""));
        match kind {
            "busy" => {
                return Verdict::Busy {
                    holder: one_line(rest),
                };
            }
            "error" => {
                return Verdict::NotStarted {
                    why: one_line(rest),
                };
            }
            "waits" => {
                waited = true;
                say(order, &format!("{WAITS} {}", one_line(rest))).await;
            }
            "began" => {
                ends_at = Some(Instant::now() + seconds(order.timeout_s));
                if waited {
                    say(order, BEGAN).await;
                }
            }
            _ => {}
        }
        if let Some(end) = Verdict::from_end(&word) {
            // One that was over at that very moment is what it is.
            return match end {
                Verdict::Exited { code: 0 } => end,
                _ if timed_out => Verdict::TimedOut,
                end => end,
            };
        }
    }
}

fn script(path: &Path) -> Result<Vec<u8>, String> {
    let failed =
        |why: String| one_line(&format!("cannot read the script {}: {why}", path.display()));
    let mut options = OpenOptions::new();
    // Not to wait for somebody who writes into a pipe.
    let file: io::Result<File> = options.read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let mut bytes = Vec::new();
    file.and_then(|file| file.take(LONGEST_SCRIPT + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > LONGEST_SCRIPT {
        return Err(failed(format!("it has more than {LONGEST_SCRIPT} bytes")));
    }
    Ok(bytes)
}

/// Output as it comes; how much is counted. When nobody takes it any more it is dropped, so that the host can go on.
async fn copy(output: Option<openssh::ChildStdout>, copied: Arc<AtomicU64>) {
    let Some(mut output) = output else { return };
    let own = io::stdout().as_fd().try_clone_to_owned();
    let mut to = own
        .ok()
        .map(|own| tokio::fs::File::from_std(File::from(own)));
    let mut buffer = vec![0; CHUNK];
    while let Ok(length) = output.read(&mut buffer).await {
        if length == 0 {
            break;
        }
        if let Some(open) = &mut to {
            let mut written = open.write_all(&buffer[..length]).await;
            if written.is_ok() {
                written = open.flush().await;
            }
            if written.is_err() {
                to = None;
            }
        }
        copied.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// What was printed before the end is on its way. Something that got away on the host may hold the stream open for ever.
async fn drain(mut copying: tokio::task::JoinHandle<()>, copied: &AtomicU64) {
    let until = Instant::now() + ALL_OUTPUT;
    while Instant::now() < until {
        let before = copied.load(Ordering::Relaxed);
        if timeout(NEXT_OUTPUT, &mut copying).await.is_ok() {
            return;
        }
        if copied.load(Ordering::Relaxed) == before {
            break;
        }
    }
    copying.abort();
}

/// SIGTERM, and what people press.
struct Stop {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    was_asked: bool,
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            was_asked: false,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        self.was_asked = true;
    }
}
