//! The daemon's side of the control socket.

use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::peer::Peer;
use super::reading::Readings;
use super::rooms::Rooms;
use super::watch::{Watch, active_session};
use super::wire::{LONGEST, Reply, Request, Seen};
use super::wishes;
use crate::config::ControlConfig;
use crate::core::event::Event;
use crate::core::policy::{Name, Policy};
use crate::core::report::Line;
use crate::core::session::Override;
use crate::core::state::State;
use crate::core::wish::LONGEST_REASON;
use crate::daemon::Heard;

/// A request is one line, and comes at once.
const PATIENCE: Duration = Duration::from_secs(2);
/// An answer that is not read within this is for nobody.
const LISTENS_WITHIN: Duration = Duration::from_secs(10);
/// Who follows what happens looks again after this, also where nothing did.
const A_WHILE: Duration = Duration::from_secs(5);

/// How a command reaches the loop, and hears what happens.
#[derive(Clone)]
pub struct Ears {
    pub tell: mpsc::Sender<Heard>,
    pub events: broadcast::Sender<Line>,
    pub control: Arc<ControlConfig>,
    pub readings: Readings,
}

/// The socket, which its owner can open, and a group where one is named. What an earlier daemon left in its place is replaced: the caller holds
/// the instance lock.
///
/// # Errors
/// Where the socket cannot be made, or something else has its name.
pub fn bind(control: &ControlConfig) -> std::io::Result<UnixListener> {
    let path = &*control.socket;
    if let Some(folder) = path.parent() {
        let alone = is_alone(folder, path);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        if let Some(group) = control.group.filter(|_| alone) {
            open_to(folder, group)?;
        }
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => {
            return Err(std::io::Error::other(
                "something that is no socket has its name",
            ));
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    let mode = match control.group {
        Some(group) => {
            std::os::unix::fs::chown(path, None, Some(group))?;
            0o660
        }
        None => 0o600,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// Whether a folder is there for the socket alone: it is still to be made, or has nothing else but folders of ours.
fn is_alone(folder: &Path, socket: &Path) -> bool {
    let ours = |entry: std::fs::DirEntry| {
        let own = entry.path() == socket;
        // Connections to hosts: nobody else gets into that.
        own || entry.file_name() == "ssh" && entry.metadata().is_ok_and(|m| m.mode() & 0o077 == 0)
    };
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.flatten().all(ours),
        Err(_) => true,
    }
}

/// Lets a group into the folder of the socket, where that is this user's own.
fn open_to(folder: &Path, group: u32) -> std::io::Result<()> {
    let found = std::fs::metadata(folder)?;
    let own = found.uid() == rustix::process::geteuid().as_raw();
    if own && found.mode() & 0o005 != 0o005 {
        std::os::unix::fs::chown(folder, None, Some(group))?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o750))?;
    }
    Ok(())
}

/// Serves commands until it is dropped.
pub async fn serve(listener: UnixListener, ears: Ears) {
    let rooms = Rooms::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let room = match stream.peer_cred() {
                    Ok(who) => rooms.enter(who.uid()),
                    Err(_) => continue,
                };
                let ears = ears.clone();
                match room {
                    Some(room) => {
                        tokio::spawn(async move {
                            if let Err(error) = answer(stream, ears).await {
                                tracing::debug!(%error, "a command went away");
                            }
                            drop(room);
                        });
                    }
                    None => turn_away(&stream),
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket");
                // Out of descriptors, most likely: they come back when runs end.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Not waited for: a fresh socket takes a line, and what it does not take is for nobody.
fn turn_away(stream: &UnixStream) {
    let why = "too many commands of this user are being served; try again".into();
    if let Ok(mut line) = serde_json::to_vec(&Reply::Refused { why }) {
        line.push(b'\n');
        let _ = stream.try_write(&line);
    }
}

async fn answer(stream: UnixStream, ears: Ears) -> std::io::Result<()> {
    let credentials = stream.peer_cred()?;
    let peer = Peer {
        uid: credentials.uid(),
        gid: credentials.gid(),
        pid: credentials.pid(),
    };
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    // One byte more than is taken, to tell a long line from a whole one.
    let mut reader = BufReader::new(read.take(LONGEST as u64 + 1));
    let got = tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await;
    let request = match got {
        Ok(Ok(_)) if line.ends_with('\n') => serde_json::from_str::<Request>(&line),
        _ => {
            return say(
                &mut write,
                &Reply::Refused {
                    why: "no request came".into(),
                },
            )
            .await;
        }
    };
    match request {
        Ok(Request::Rehearse {
            app,
            reason,
            hooks,
            jobs,
        }) => {
            let control = Arc::clone(&ears.control);
            let may = tokio::task::spawn_blocking(move || peer.may_change(&control)).await;
            if !matches!(may, Ok(true)) {
                let why = "a rehearsal is for who has a role in [control] roles".into();
                return say(&mut write, &Reply::Refused { why }).await;
            }
            let control = Arc::clone(&ears.control);
            let who = tokio::task::spawn_blocking(move || peer.asker(&control).name).await;
            let Ok(who) = who else {
                let why = "it is not known who asks".into();
                return say(&mut write, &Reply::Refused { why }).await;
            };
            if reason.trim().is_empty() || reason.len() > LONGEST_REASON {
                let why = format!("a rehearsal needs a reason, of at most {LONGEST_REASON} octets");
                return say(&mut write, &Reply::Refused { why }).await;
            }
            let reason = format!("{} ({who})", crate::text::clean(&reason));
            rehearse(
                &mut write,
                ears,
                app.into(),
                Override {
                    reason,
                    hooks,
                    jobs,
                    emergency: false,
                },
            )
            .await
        }
        Ok(Request::Ask {
            wish,
            reason,
            dry_run,
        }) => wishes::ask(&mut write, ears, peer, (wish, reason, dry_run)).await,
        Ok(Request::Restart) => super::restart::restart(&mut write, &ears, peer).await,
        Ok(Request::Trouble) => trouble(&mut write, &ears).await,
        Ok(Request::Read { what, look }) => {
            ears.readings
                .answer(&mut write, peer.uid, (&what, look))
                .await
        }
        Ok(Request::Next) => {
            let mut events = ears.events.subscribe();
            // Whatever comes of it: something happened, or time has passed.
            let _ = tokio::time::timeout(A_WHILE, events.recv()).await;
            say(&mut write, &Reply::Done { well: true }).await
        }
        Err(error) => {
            say(
                &mut write,
                &Reply::Refused {
                    why: format!("not understood: {error}"),
                },
            )
            .await
        }
    }
}

async fn trouble(write: &mut (impl AsyncWriteExt + Unpin), ears: &Ears) -> std::io::Result<()> {
    let (asked, answer) = oneshot::channel();
    let look = move |_: &Policy, state: &State, _| {
        let _ = asked.send((state.live.unwritable.clone(), Seen::of(state)));
    };
    let reply = match ears.tell.send(Heard::Look(Box::new(look))).await {
        Ok(()) => answer.await.ok(),
        Err(_) => None,
    };
    let stopping = || Reply::Refused {
        why: "the daemon is being stopped".into(),
    };
    let reply = reply.map_or_else(stopping, |(why, runs)| Reply::Trouble { why, runs });
    say(write, &reply).await
}

async fn rehearse(
    write: &mut (impl AsyncWriteExt + Unpin),
    ears: Ears,
    app: Name,
    rehearsal: Override,
) -> std::io::Result<()> {
    let mut events = ears.events.subscribe();
    let (asked, answer) = oneshot::channel();
    let name = app.clone();
    let look = move |policy: &Policy, state: &State, _| {
        let why = if !policy.apps.contains_key(&name) {
            Some(format!(
                "the daemon knows no app {name}: its configuration is older than the file"
            ))
        } else if state.live.stopping.is_some() {
            Some("the daemon is being stopped".into())
        } else if let Some(why) = &state.live.unwritable {
            Some(format!("the state cannot be written: {why}"))
        } else {
            active_session(state, &name)
        };
        let _ = asked.send(why);
    };
    let refused = |why: String| Reply::Refused { why };
    if ears.tell.send(Heard::Look(Box::new(look))).await.is_err() {
        return say(write, &refused("the daemon is being stopped".into())).await;
    }
    match answer.await {
        Ok(None) => {}
        Ok(Some(why)) => return say(write, &refused(why)).await,
        Err(_) => return say(write, &refused("the daemon is being stopped".into())).await,
    }
    let mut watch = Watch::new(&app);
    // Whoever asked may have given up meanwhile: then nothing is done.
    say(write, &Reply::Accepted).await?;
    let _ = ears
        .tell
        .send(Event::Rehearse { app, rehearsal }.into())
        .await;
    loop {
        let line = match events.recv().await {
            Ok(line) => line,
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => return Ok(()),
        };
        let over = watch.see(&line);
        if watch.concerns(&line) {
            let event = serde_json::to_value(&line).unwrap_or_default();
            say(
                write,
                &Reply::Event {
                    event,
                    words: line.to_string(),
                },
            )
            .await?;
        }
        if let Some(well) = over {
            return say(write, &Reply::Done { well }).await;
        }
    }
}

pub(super) async fn say(
    write: &mut (impl AsyncWriteExt + Unpin),
    reply: &Reply,
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(reply).map_err(std::io::Error::from)?;
    line.push(b'\n');
    // Who asks and does not listen is not waited for.
    let said = tokio::time::timeout(LISTENS_WITHIN, write.write_all(&line)).await;
    said.map_err(std::io::Error::from)?
}
