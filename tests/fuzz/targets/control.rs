//! What a command says on the control socket, against a made-up loop.

use std::io::ErrorKind;

use offhours::config::ControlConfig;
use offhours::control::{self, Ears, Reply};
use offhours::core::policy::Policy;
use offhours::core::state::State;
use offhours::daemon::Heard;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{broadcast, mpsc};

use super::fixture::{self, now};

pub fn run(data: &[u8]) {
    // It waits, and says nothing of what was asked.
    if data.windows(6).any(|word| word == b"\"next\"") {
        return;
    }
    thread_local! {
        static FOLDER: tempfile::TempDir = fixture::folder();
        static POLICY: Policy = fixture::policy();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let socket = FOLDER.with(|folder| folder.path().join("control.sock"));
    let policy = POLICY.with(Policy::clone);
    let said = runtime.block_on(async {
        let control = ControlConfig {
            socket: socket.clone(),
            ..ControlConfig::default()
        };
        let listener = control::bind(&control).expect("bound");
        let (tell, mut told) = mpsc::channel(4);
        let (events, _) = broadcast::channel(16);
        let served = tokio::spawn(control::serve(
            listener,
            Ears {
                tell,
                events: events.clone(),
                control: control.into(),
                // What is asked for is tried elsewhere; here it is that anything can be asked.
                readings: control::Readings::new("/bin/echo".into(), "windows.toml".into()),
            },
        ));
        let looped = tokio::spawn(async move {
            let state = State::default();
            while let Some(heard) = told.recv().await {
                match heard {
                    Heard::Look(look) => look(&policy, &state, now()),
                    // Asked for: whoever waits for what comes of it hears that the daemon is gone.
                    _ => return,
                }
            }
        });
        let mut stream = UnixStream::connect(&socket).await.expect("connected");
        // The other end may have heard enough before all of it is said.
        let _ = stream.write_all(data).await;
        let _ = stream.shutdown().await;
        let mut said = Vec::new();
        let mut part = [0; 4096];
        loop {
            match stream.read(&mut part).await {
                Ok(0) => break,
                Ok(read) => said.extend_from_slice(&part[..read]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error}"),
            }
            if looped.is_finished() {
                break;
            }
        }
        assert!(!served.is_finished(), "it serves on");
        said
    });
    judge(data, &said);
}

fn judge(asked: &[u8], said: &[u8]) {
    let text = std::str::from_utf8(said).expect("UTF-8");
    assert!(text.len() <= 64 * 1024 + 4 * asked.len());
    let replies: Vec<Reply> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a reply"))
        .collect();
    let accepted = replies.contains(&Reply::Accepted);
    if accepted {
        let line = asked
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        // Of what is known to be heard at once, and done then.
        let line = String::from_utf8_lossy(line);
        let known = ["rehearse", "ask", "read", "restart"];
        assert!(known.iter().any(|word| line.contains(word)), "{line}");
    }
}
