//! Those who watch are told, and nobody else learns where.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use crate::scene::{FILE_MAIL, Scene, free_port, get, once, until};

/// Answers everything, and keeps what was asked for: method and target.
fn watcher() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut piece = [0; 4096];
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut piece) {
                    Ok(got @ 1..) => head.extend_from_slice(&piece[..got]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let line = head.lines().next().unwrap_or_default();
            kept.lock()
                .unwrap()
                .push(line.trim_end_matches(" HTTP/1.1").to_owned());
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (port, asked)
}

/// The run of the first request for this.
fn run_of(asked: &Mutex<Vec<String>>, target: &str) -> String {
    let wanted = format!("GET {target}?rid=");
    until(target, || {
        let asked = asked.lock().unwrap();
        asked
            .iter()
            .find_map(|line| line.strip_prefix(&wanted).map(str::to_owned))
    })
}

#[test]
fn jobs_and_daemon_are_told() {
    let (port, asked) = watcher();
    let page = free_port();
    let at = |name: &str| format!("http://127.0.0.1:{port}/hidden-{name}");
    let scene = Scene::new(&format!(
        r#"
{FILE_MAIL}
{}
[http]
listen = ["127.0.0.1:{page}"]
[ping]
url = "{}"
every = "1s"
[app.shop]
window = "now"
[maintenance.update]
app = "shop"
every = "window"
run = ["true"]
timeout = "5s"
grace = "1s"
ping = "{}"
[periodic.good]
schedule = "* * * * * *"
run = ["true"]
timeout = "5s"
ping = "{}"
[periodic.bad]
schedule = "* * * * * *"
script = "exit 3"
timeout = "5s"
ping_file = "address"
[periodic.nobody]
schedule = "* * * * * *"
run = ["true"]
timeout = "5s"
ping = "http://127.0.0.1:9/hidden-nobody"
"#,
        once(3, 60),
        at("daemon"),
        at("update"),
        at("good"),
    ));
    scene.write("address", &format!("{}\n", at("bad")));
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(
        scene.path("address"),
        std::fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    let mut daemon = scene.run_with(&[], &[("OFFHOURS_LOG", "trace")]);
    daemon.wait("session_closed", &[("outcome", "succeeded")]);
    for (job, end) in [("good", ""), ("bad", "/3"), ("update", "")] {
        let begun = run_of(&asked, &format!("/hidden-{job}/start"));
        assert_eq!(
            run_of(&asked, &format!("/hidden-{job}{end}")),
            begun,
            "{job}"
        );
    }
    until("a second sign of life", || {
        let lives = asked
            .lock()
            .unwrap()
            .iter()
            .filter(|line| *line == "GET /hidden-daemon")
            .count();
        (lives >= 2).then_some(())
    });
    let (_, metrics) = until("an answer", || get(page, "localhost", "/metrics", ""));
    for line in [
        "offhours_pings_total{kind=\"success\",result=\"delivered\"}",
        "offhours_pings_total{kind=\"fail\",result=\"delivered\"}",
        "offhours_pings_total{kind=\"alive\",result=\"delivered\"}",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    // After a reload the daemon is told of elsewhere, at once.
    let file = scene
        .read("windows.toml")
        .replace("hidden-daemon", "hidden-moved");
    scene.write("windows.toml", &file);
    daemon.signal("HUP");
    until("the moved sign of life", || {
        asked
            .lock()
            .unwrap()
            .iter()
            .any(|line| line == "GET /hidden-moved")
            .then_some(())
    });
    daemon.wait_err("ping failed");
    assert_eq!(daemon.stop(), 0);

    // Where it goes stands in the file, and nowhere else.
    let mut told = vec![daemon.story(), metrics];
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["history", "--json"],
        &["plan"],
        &["check"],
        &["check", "--json"],
    ] {
        let said = scene.offhours(args);
        told.push(said.out + &said.err);
    }
    for entry in std::fs::read_dir(scene.path("state")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        told.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    for text in &told {
        let at = text.find("hidden-");
        assert_eq!(at, None, "{}", &text[at.unwrap_or(0).saturating_sub(300)..]);
    }
    assert!(
        told[0].contains("http://127.0.0.1:9/…"),
        "the failure is told"
    );
}

/// A watcher that never answers keeps nothing from happening, and no daemon from stopping.
#[test]
fn nothing_waits_for_a_watcher_that_hangs() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let scene = Scene::new(&format!(
        "[ping]\nurl = \"http://127.0.0.1:{port}/daemon\"\nevery = \"1s\"\n\
         [periodic.tick]\nschedule = \"* * * * * *\"\nrun = [\"true\"]\ntimeout = \"5s\"\nping = \"http://127.0.0.1:{port}/tick\"\n"
    ));
    let mut daemon = scene.up();
    daemon.wait_nth("run_ended", &[("outcome", "succeeded")], 4);
    let begun = std::time::Instant::now();
    assert_eq!(daemon.stop(), 0);
    assert!(begun.elapsed().as_secs() < 8, "{:?}", begun.elapsed());
}

/// What was cut off by a crash is told as failed by the next life, as the end of the same run.
#[test]
fn a_crash_is_told_by_the_next_life() {
    let (port, asked) = watcher();
    let scene = Scene::new(&format!(
        "[periodic.long]\nschedule = \"* * * * * *\"\nmissed = \"skip\"\nscript = \"test -e fast || sleep 600\"\n\
         timeout = \"20m\"\ngrace = \"1s\"\nping = \"http://127.0.0.1:{port}/long\"\n"
    ));
    let mut daemon = scene.up();
    let begun = run_of(&asked, "/long/start");
    daemon.kill();
    scene.write("fast", "");
    let mut daemon = scene.up();
    assert_eq!(run_of(&asked, "/long/fail"), begun);
    daemon.wait("run_ended", &[("outcome", "succeeded")]);
    assert_ne!(run_of(&asked, "/long"), begun);
    assert_eq!(daemon.stop(), 0);
}
