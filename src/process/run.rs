//! The daemon's end of one run.
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc};

use super::spec::{End, RunEvent, RunResult, RunSpec};
use super::wire;

/// A run that was asked for. Dropping it neither stops the run nor leaks anything: the run goes on under its
/// supervisor, and only its events are not heard any more. What ends it is [`Run::stop`], its timeout, or the end of
/// the daemon (also that of the tokio runtime it was started from).
#[derive(Debug)]
pub struct Run {
    events: mpsc::Receiver<RunEvent>,
    stopper: Stopper,
}

/// Stops a run, from anywhere.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Notify>);

impl Stopper {
    /// Asks for the end of the run: SIGTERM to all of it, SIGKILL after the grace. A run that waits for a lock gives
    /// up. [`RunEvent::Ended`] follows. Asking again, or asking a run that has ended, does nothing.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

impl Run {
    /// The next event; `None` after the last. Never loses an event when it is cancelled.
    pub async fn recv(&mut self) -> Option<RunEvent> {
        self.events.recv().await
    }

    /// See [`Stopper::stop`].
    pub fn stop(&self) {
        self.stopper.stop();
    }

    /// A second hand on the stop switch, for when the run itself is being awaited.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// A run that ended before it could begin.
    pub(super) fn failed(reason: String) -> Self {
        let (sender, events) = mpsc::channel(1);
        // The receiver is right here, and the channel has room for this one event.
        let _ = sender.try_send(spawn_failed(reason));
        Self {
            events,
            stopper: Stopper(Arc::new(Notify::new())),
        }
    }

    /// The run and what follows it to its end. `launch` hands the supervisor's end of the socket to the launcher.
    pub(super) fn new(
        spec: &RunSpec,
        request: Vec<u8>,
        socket: StdStream,
        supervisor: OwnedFd,
        launch: mpsc::Sender<OwnedFd>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        // One `Waiting` a lock, and two more: following a run never waits for whoever started it.
        let (sender, events) = mpsc::channel(spec.locks.len() + 2);
        let stopper = Stopper(Arc::new(Notify::new()));
        let following = follow(request, socket, supervisor, launch, stopper.clone(), sender);
        (Self { events, stopper }, following)
    }
}

async fn follow(
    request: Vec<u8>,
    socket: StdStream,
    supervisor: OwnedFd,
    launch: mpsc::Sender<OwnedFd>,
    stopper: Stopper,
    events: mpsc::Sender<RunEvent>,
) {
    let last = match exchange(request, socket, supervisor, launch, &stopper, &events).await {
        Ok(()) => return,
        Err(Broken::NoRuntime(error)) => {
            spawn_failed(format!("cannot watch the run's socket: {error}"))
        }
        Err(Broken::Gone) => RunEvent::Ended(RunResult::without_output(End::SupervisorDied)),
    };
    let _ = events.send(last).await;
}

enum Broken {
    NoRuntime(std::io::Error),
    Gone,
}

async fn exchange(
    request: Vec<u8>,
    socket: StdStream,
    supervisor: OwnedFd,
    launch: mpsc::Sender<OwnedFd>,
    stopper: &Stopper,
    events: &mpsc::Sender<RunEvent>,
) -> Result<(), Broken> {
    let mut socket = UnixStream::from_std(socket).map_err(Broken::NoRuntime)?;
    // The request is in the socket before the supervisor exists, which then need not wait for it. Only a long one
    // does not fit; the rest follows when somebody reads.
    let sent = socket.try_write(&request).unwrap_or(0);
    launch.send(supervisor).await.map_err(|_| Broken::Gone)?;
    drop(launch);
    let (mut from, mut to) = socket.split();
    // A failed write shows as end-of-file below, behind an event that may explain it.
    let _ = to.write_all(&request[sent..]).await;
    drop(request);
    let mut received = Vec::with_capacity(128);
    loop {
        while let Some(event) = take_event(&mut received)? {
            let last = matches!(event, RunEvent::Ended(_) | RunEvent::Busy { .. });
            // Nobody listens any more: the run is followed all the same, its socket is its lifeline.
            let _ = events.send(event).await;
            if last {
                return Ok(());
            }
        }
        tokio::select! {
            read = from.read_buf(&mut received) => match read {
                Ok(0) | Err(_) => return Err(Broken::Gone),
                Ok(_) => {}
            },
            () = stopper.0.notified() => {
                let _ = to.write_all(&[wire::STOP]).await;
            }
        }
    }
}

/// The first event of what was received, if all of it is there.
fn take_event(received: &mut Vec<u8>) -> Result<Option<RunEvent>, Broken> {
    let Some((prefix, rest)) = received.split_first_chunk::<{ wire::PREFIX }>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*prefix) as usize;
    if length > wire::MAX_EVENT {
        return Err(Broken::Gone);
    }
    let Some(body) = rest.get(..length) else {
        return Ok(None);
    };
    let event = wire::decode_event(body).map_err(|_| Broken::Gone)?;
    received.drain(..wire::PREFIX + length);
    Ok(Some(event))
}

pub(super) fn spawn_failed(reason: String) -> RunEvent {
    RunEvent::Ended(RunResult::without_output(End::SpawnFailed(reason)))
}
