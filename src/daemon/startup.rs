//! Everything before the first turn: locks, survivors, state; and what stands beside the loop while it runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;

use super::anew;
use super::announce::{Announcer, Form, Stamp};
use super::hosts::{self, Hosts};
use super::real::{Parts, Places, Real};
use super::templates;
use super::turns::Turns;
use crate::config::{MailConfig, MailHost, PingConfig, Settings, TemplateFiles, Tls, Way};
use crate::core::apply::{Illegal, apply};
use crate::core::contract;
use crate::core::event::Event;
use crate::core::policy::Policy;
use crate::core::report::Counters;
use crate::core::run::{Found, RunId};
use crate::core::state::State;
use crate::lock::{self, Instance, LockError};
use crate::mail::{self, Mailer};
use crate::ping::{Pinger, Times};
use crate::process::{self, Cgroups, Launcher};
use crate::ssh::Masters;
use crate::store::{Facts, Reader, Store, StoreError};
use crate::surroundings::{instance_lock, lock_dir};
use crate::systemd::Notify;

/// A starting daemon waits this long for a command that holds the state.
const WAIT_FOR_COMMAND: Duration = Duration::from_secs(5);
/// Survivors have this long beside their grace.
const WAIT_FOR_SURVIVORS: Duration = Duration::from_secs(15);

/// Why the daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Launcher(#[from] process::Error),
    #[error(transparent)]
    Illegal(Illegal),
    #[error("mail: {0}")]
    Mail(#[from] mail::SetupError),
    #[error(
        "{} {what}: what it holds decides what is run; `chown` it to this user and `chmod go-w` it",
        path.display()
    )]
    NotOurs { path: PathBuf, what: &'static str },
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        verb: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
}

impl StartError {
    /// The state is somebody else's, or is not to be used as it is.
    pub fn refused_by_state(&self) -> bool {
        matches!(
            self,
            Self::Lock(LockError::Held { .. } | LockError::Network { .. }) | Self::NotOurs { .. }
        ) || matches!(
            self,
            Self::Store(
                StoreError::Newer { .. } | StoreError::Damaged { .. } | StoreError::BadFact { .. }
            )
        )
    }
}

fn runs_lock(state_dir: &Path) -> PathBuf {
    state_dir.join("runs.lock")
}

/// The state, opened for writing, with nothing of an earlier daemon left.
pub struct Opened {
    pub store: Store,
    pub state: State,
    pub next: u64,
    pub boot: String,
    /// Held as long as this lives.
    pub instance: Instance,
}

/// Takes the instance lock, ends survivors, opens and loads the state. Blocks.
///
/// # Errors
/// Held by somebody else, on a network file system, damaged, newer, not readable.
pub fn open(
    state_dir: &Path,
    policy: &Policy,
    kind: lock::Kind,
    fresh: bool,
) -> Result<Opened, StartError> {
    make_private(state_dir)?;
    lock::refuse_network(state_dir)?;
    let instance = lock::acquire(&instance_lock(state_dir), kind, WAIT_FOR_COMMAND)?;
    make_private(&lock_dir(state_dir))?;
    let longest_grace = longest_grace(policy);
    let wait = WAIT_FOR_SURVIVORS.saturating_add(longest_grace);
    if let Err(error) = process::survivors::wait_gone(&runs_lock(state_dir), wait) {
        // Locks keep its jobs from running twice; apps in maintenance cannot wait any longer.
        tracing::error!(%error, "processes of the last daemon are still there; going on without waiting for them");
    }
    let boot = boot_id()?;
    let anew = fresh || anew::begun(state_dir);
    if anew {
        // What it can still tell of processes is of use; whether it can be read is not asked of it.
        if let Ok(Some((old, _))) =
            Reader::open(state_dir).and_then(|r| r.map(|r| r.load(apply)).transpose())
            && old.boot == boot
        {
            end_orphans(&old, longest_grace);
        }
        anew::set_aside(state_dir, crate::clock::now())?;
    }
    let mut store = Store::open(state_dir)?;
    let (mut state, mut next) = store.load(apply)?;
    if anew {
        let now = crate::clock::now();
        next = anew::owe_leaving(state_dir, &mut store, &mut state, next, policy, now)?;
    } else if state.boot == boot {
        end_orphans(&state, longest_grace);
    }
    Ok(Opened {
        store,
        state,
        next,
        boot,
        instance,
    })
}

/// A state of its own in an empty folder, in which one app is on its way out of maintenance. Blocks.
///
/// # Errors
/// The folder cannot be used.
pub fn open_aside(dir: &Path, policy: &Policy, app: &str) -> Result<Opened, StartError> {
    let mut opened = open(dir, policy, lock::Kind::Command, false)?;
    let (store, state, now) = (&mut opened.store, &mut opened.state, crate::clock::now());
    opened.next = anew::owe_leaving_of(app, store, state, opened.next, policy, now)?;
    Ok(opened)
}

/// Processes of runs whose supervisor was killed together with the daemon.
fn end_orphans(state: &State, grace: Duration) {
    let marks: Vec<String> = state
        .running
        .iter()
        .map(|(run, running)| contract::run_mark(*run, running.attempt, &state.nonce))
        .map(|mark| format!("OFFHOURS_RUN={mark}"))
        .collect();
    if marks.is_empty() {
        return;
    }
    let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
    match process::survivors::end_by_cookie(&marks, &[], grace) {
        Ok(0) => {}
        Ok(ended) => tracing::warn!(ended, "processes of the last daemon's runs were ended"),
        Err(error) => tracing::error!(%error, "processes of the last daemon's runs may be left"),
    }
}

fn longest_grace(policy: &Policy) -> Duration {
    let hooks = policy
        .apps
        .values()
        .flat_map(|app| app.enter.iter().chain(&app.leave))
        .map(|hook| hook.grace);
    let jobs = policy.maintenance.values().map(|job| job.grace);
    let periodic = policy.periodic.values().map(|job| job.grace);
    let longest = hooks
        .chain(jobs)
        .chain(periodic)
        .max()
        .unwrap_or(SignedDuration::ZERO);
    Duration::try_from(longest).unwrap_or(Duration::ZERO)
}

/// A folder that only its owner can look into; one that is there already must not be open to others' writing.
fn make_private(dir: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::MetadataExt;
    make_folder(dir)?;
    // A service whose user is made up finds a link in its place, made by systemd.
    let found = std::fs::metadata(dir).map_err(|source| StartError::Io {
        verb: "look at",
        path: dir.into(),
        source,
    })?;
    let not_ours = |what| StartError::NotOurs {
        path: dir.into(),
        what,
    };
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(not_ours("belongs to another user"));
    }
    if found.mode() & 0o022 != 0 {
        return Err(not_ours("can be written by others"));
    }
    Ok(())
}

fn make_folder(dir: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| StartError::Io {
            verb: "make the folder",
            path: dir.into(),
            source,
        })
}

fn boot_id() -> Result<String, StartError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    std::fs::read_to_string(path)
        .map(|id| id.trim().to_owned())
        .map_err(|source| StartError::Io {
            verb: "read",
            path: path.into(),
            source,
        })
}

/// A short random word: tells this installation's processes and messages from another's.
fn nonce() -> Result<String, StartError> {
    let path = Path::new("/proc/sys/kernel/random/uuid");
    let uuid = std::fs::read_to_string(path).map_err(|source| StartError::Io {
        verb: "read",
        path: path.into(),
        source,
    })?;
    Ok(uuid
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(8)
        .collect())
}

/// The event that begins a daemon's life.
///
/// # Errors
/// Where the kernel's random source cannot be read.
pub fn started(boot: String, alone: bool, found: Vec<(RunId, Found)>) -> Result<Event, StartError> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Ok(Event::Started {
        boot,
        version,
        nonce: nonce()?,
        alone,
        found,
    })
}

/// The mailer of the configuration, if it has one.
///
/// # Errors
/// Settings that can never work; a folder that cannot be made.
pub fn mailer(settings: &Settings) -> Result<Option<Mailer>, StartError> {
    match &settings.mail {
        Some(config) => {
            mail_folder(config)?;
            Ok(Some(equipped(config, &settings.templates)?))
        }
        None => Ok(None),
    }
}

fn equipped(config: &MailConfig, files: &TemplateFiles) -> Result<Mailer, StartError> {
    let mailer = Mailer::new(&mail_settings(config))?
        .with_templates(Arc::new(templates::templates(files)))
        .logging_payload(config.log_payload);
    Ok(mailer)
}

/// Where the mails of a rehearsal go: files beside the state.
///
/// # Errors
/// A folder that cannot be made.
pub fn rehearsal_mailer(settings: &Settings) -> Result<Option<Mailer>, StartError> {
    match rehearsal_mail(settings) {
        Some(config) => {
            mail_folder(&config)?;
            Ok(Some(equipped(&config, &settings.templates)?))
        }
        None => Ok(None),
    }
}

fn rehearsal_mail(settings: &Settings) -> Option<MailConfig> {
    let mail = settings.mail.as_ref()?;
    Some(MailConfig {
        way: Way::File {
            dir: settings.state_dir.join("rehearsal-mail"),
        },
        from: mail.from.clone(),
        timeout: mail.timeout,
        log_payload: false,
    })
}

/// Makes sure of the folder of a transport that has one.
fn mail_folder(config: &MailConfig) -> Result<(), StartError> {
    match &config.way {
        Way::File { dir } => make_folder(dir),
        Way::Smtp(_) | Way::Sendmail { .. } => Ok(()),
    }
}

/// A mailer for a start, which no missing folder keeps from bringing apps back: it is made when there is something to
/// put into it.
fn mailer_at_start(
    config: Option<&MailConfig>,
    files: &TemplateFiles,
) -> Result<Option<Mailer>, StartError> {
    let Some(config) = config else {
        return Ok(None);
    };
    if let Err(error) = mail_folder(config) {
        tracing::error!(%error, "no mail leaves until there is one");
    }
    Ok(Some(equipped(config, files)?))
}

fn mail_settings(config: &MailConfig) -> mail::MailSettings {
    let mut ca_file = None;
    let transport = match &config.way {
        Way::Smtp(smtp) => {
            ca_file.clone_from(&smtp.ca_file);
            let host = |host: &MailHost| mail::MailHost {
                name: host.name.clone(),
                port: host.port,
            };
            mail::Transport::Smtp(mail::SmtpSettings {
                hosts: smtp.hosts.iter().map(host).collect(),
                tls: match smtp.tls {
                    Tls::None => mail::Tls::None,
                    Tls::Starttls => mail::Tls::StartTls,
                    Tls::Implicit => mail::Tls::Implicit,
                },
                username: smtp.username.clone(),
                password: smtp.password.clone(),
            })
        }
        Way::Sendmail { program } => mail::Transport::Sendmail {
            program: program.clone(),
        },
        Way::File { dir } => mail::Transport::File { dir: dir.clone() },
    };
    mail::MailSettings {
        transport,
        from: config.from.clone(),
        timeout: Duration::try_from(config.timeout).unwrap_or(mail::MailSettings::TIMEOUT),
        ca_file,
    }
}

/// Whether mails are written as the operator wants them.
pub fn templates_event(settings: &Settings) -> Event {
    let failing = templates::failing(&settings.templates);
    for why in &failing {
        tracing::error!("{}", crate::text::clean(why));
    }
    Event::Templates {
        broken: failing.into_iter().next(),
    }
}

/// The daemon, ready for its first turn.
pub struct Daemon {
    pub turns: Turns<Store, Real>,
    pub tell: tokio::sync::mpsc::Sender<super::Heard>,
    pub first: Event,
    pub instance: Instance,
    /// None where it is alone.
    pub pinger: Option<Pinger>,
}

/// Puts everything together.
///
/// # Errors
/// Whatever keeps the daemon from starting.
pub async fn assemble(
    policy: Arc<Policy>,
    settings: &Settings,
    opened: Opened,
    form: Form,
    alone: bool,
) -> Result<Daemon, StartError> {
    let places = Places {
        state_dir: settings.state_dir.clone(),
        lock_dir: lock_dir(&settings.state_dir),
    };
    let exe = PathBuf::from("/proc/self/exe");
    let setup = process::Setup {
        exe,
        runs_lock: runs_lock(&settings.state_dir),
        cgroups: Cgroups::Auto,
    };
    let launcher = Launcher::start(setup).await?;
    let stamp = Stamp::of_stdout(&policy.zone);
    let announcer = Announcer::start(form, stamp).map_err(|source| StartError::Io {
        verb: "start a thread for",
        path: "standard output".into(),
        source,
    })?;
    let mut known = Counters::default();
    known.runs.know(&policy);
    let counters = Arc::new(Mutex::new(known));
    let pinger = (!alone).then(|| pinger(settings, &counters)).flatten();
    let parts = Parts {
        counters,
        pinger: pinger.clone(),
        places,
        launcher,
        mailer: mailer_at_start(settings.mail.as_ref(), &settings.templates)?,
        rehearsal_mail: mailer_at_start(rehearsal_mail(settings).as_ref(), &settings.templates)?,
        announcer,
        notify: Notify::from_environment(),
        log_limit: policy.keep.logs,
        hosts: Arc::new(Hosts::new(&sockets(settings), &settings.state_dir)),
    };
    let found = hosts::found(&settings.state_dir, &opened.state);
    let (real, tell) = Real::new(parts);
    // Heard after the start; the ears are empty yet. Who only brings apps back knows nothing of templates.
    if !alone {
        let _ = tell.try_send(templates_event(settings).into());
    }
    let mut turns = Turns::new(policy, opened.state, opened.next, opened.store, real);
    let first = started(opened.boot, alone || turns.leaves_first(), found)?;
    if alone {
        turns.stay_alone();
    }
    Ok(Daemon {
        turns,
        tell,
        first,
        instance: opened.instance,
        pinger,
    })
}

/// The folder of the connections to hosts. Paths of sockets are short: where that of the state is not, a private one
/// among the temporary files takes its place.
fn sockets(settings: &Settings) -> PathBuf {
    let runtime = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    let runtime = runtime
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join("ssh"));
    let beside = settings.state_dir.join("ssh");
    let mut places = runtime.into_iter().chain([beside.clone()]);
    if let Some(place) = places.find(|place| Masters::fits(place)) {
        return place;
    }
    let mut hash = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(&settings.state_dir, &mut hash);
    let hash = std::hash::Hasher::finish(&hash) as u32;
    let place = std::env::temp_dir().join(format!("offhours-ssh-{hash:08x}"));
    match make_private(&place) {
        Ok(()) if Masters::fits(&place) => place,
        // What is reached from here says that it cannot be, and why.
        _ => beside,
    }
}

/// Who is told that all is well. No certificate keeps a daemon from starting: what is not told is noticed elsewhere.
fn pinger(settings: &Settings, counters: &Arc<Mutex<Counters>>) -> Option<Pinger> {
    let made = Pinger::new(
        settings.ping.clone(),
        Times::default(),
        Arc::clone(counters),
    )
    .or_else(|error| {
        tracing::error!(%error, "[ping] goes on with the certificates of the system alone");
        let ping = PingConfig {
            ca_file: None,
            ..settings.ping.clone()
        };
        Pinger::new(ping, Times::default(), Arc::clone(counters))
    });
    made.inspect_err(|error| tracing::error!(%error, "nobody is told by [ping]"))
        .ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let state = dir.path().join("state");
        make_private(&state).expect("made");
        let mode = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&state, mode).expect("ours");
        };
        assert!(make_private(&state).is_ok());
        mode(0o755);
        assert!(make_private(&state).is_ok());
        mode(0o770);
        let refused = make_private(&state).expect_err("others can write it");
        assert!(refused.refused_by_state());
        assert!(
            refused.to_string().contains("can be written by others"),
            "{refused}"
        );
    }
}
