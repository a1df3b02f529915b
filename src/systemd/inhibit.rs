//! Asks logind to let nobody switch the machine off while an app is in maintenance.
//!
//! `systemd-inhibit` holds the lock for as long as a pipe of ours is open: it goes with this process, however that ends.

use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use super::in_maintenance;
use crate::core::state::State;

/// The lock, while it is wanted.
#[derive(Debug)]
pub struct Inhibitor {
    /// Where systemd runs the machine.
    possible: bool,
    /// Dropped, it lets go.
    held: Option<oneshot::Sender<()>>,
}

impl Inhibitor {
    /// Looks whether systemd runs this machine.
    pub fn of_this_machine() -> Self {
        Self {
            possible: Path::new("/run/systemd/system").is_dir(),
            held: None,
        }
    }

    /// Holds it or lets go, as the state wants it. Within a runtime.
    pub fn follow(&mut self, state: &State) {
        if !self.possible {
            return;
        }
        // A job that restarts the machine itself is let do so.
        let wanted = !state.is_rebooting() && state.all_in_maintenance().next().is_some();
        if !wanted {
            self.held = None;
        } else if self.held.is_none() {
            self.held = in_maintenance(state).map(|why| hold(&why));
        }
    }
}

/// Lets go when what it returns is dropped; so also where it failed: it is tried again with the next session alone.
fn hold(why: &str) -> oneshot::Sender<()> {
    let (held, released) = oneshot::channel();
    let started = Command::new("systemd-inhibit")
        .args(["--what=shutdown", "--mode=block", "--who=offhours"])
        .arg(format!("--why={why}"))
        // Waits for the end of its input, and does nothing else.
        .arg("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(child) => {
            tokio::spawn(keep(child, released));
        }
        Err(error) => tracing::debug!(%error, "logind is not asked to keep the machine up"),
    }
    held
}

async fn keep(mut child: Child, released: oneshot::Receiver<()>) {
    let input = child.stdin.take();
    tokio::select! {
        _ = released => {
            drop(input);
            let _ = child.wait().await;
        }
        status = child.wait() => {
            let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::warn!(%status, "logind does not keep the machine up during maintenance");
        }
    }
}
