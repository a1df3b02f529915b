//! What runs print is kept: each attempt's for itself, bounded, and found by `logs`.

use std::os::unix::fs::PermissionsExt;

use crate::scene::{Scene, until};

#[test]
fn each_attempt_has_its_own_bounded_log() {
    let scene = Scene::new(
        r#"
[limits]
log_size = "64KiB"
[periodic.loud]
schedule = "* * * * * *"
script = "echo the beginning; timeout 2 yes; echo the end"
timeout = "20s"
[periodic.twice]
schedule = "* * * * * *"
script = "echo attempt $OFFHOURS_RUN; if [ -e tried ]; then exit 0; fi; touch tried; exit 1"
timeout = "5s"
retry = { attempts = 2, backoff = "1s" }
[periodic.silent]
schedule = "* * * * * *"
run = ["true"]
timeout = "5s"
"#,
    );
    let mut daemon = scene.up();
    let loud = daemon.wait("run_ended", &[("job", "loud")])["run"].clone();
    let twice = daemon.wait("run_ended", &[("job", "twice"), ("attempt", "2")])["run"].clone();
    let silent = daemon.wait("run_ended", &[("job", "silent")])["run"].clone();
    let (loud, twice) = (loud.as_str().unwrap(), twice.as_str().unwrap());
    let said = scene.offhours(&["logs", loud]).expect(0);
    assert!(said.out.contains("the beginning"), "head and tail are kept");
    assert!(said.out.contains("the end"), "head and tail are kept");
    assert!(said.out.len() < 100 << 10, "{} bytes", said.out.len());
    let printed = scene.offhours(&["logs", loud, "--json"]).expect(0).json();
    let path = std::path::PathBuf::from(printed["path"].as_str().unwrap());
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let history = scene
        .offhours(&["history", "loud", "--json"])
        .expect(0)
        .json();
    let row = history
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["run"] == loud)
        .unwrap();
    assert!(row["output_bytes"].as_u64().unwrap() > 1 << 20, "{row}");
    for attempt in ["1", "2"] {
        let said = scene
            .offhours(&["logs", &format!("{twice}.{attempt}")])
            .expect(0);
        assert!(
            said.out.contains(&format!("attempt {twice}.{attempt}.")),
            "{}",
            said.out
        );
    }
    let said = scene
        .offhours(&["logs", silent.as_str().unwrap()])
        .expect(0);
    assert_eq!(said.out, "");
    scene.offhours(&["logs", "99999"]).expect(1);
    assert_eq!(daemon.stop(), 0);
    let small = until("the log", || path.metadata().ok());
    assert!(small.len() < 100 << 10);
}

#[test]
fn all_output_together_is_bounded_while_it_is_printed() {
    let scene = Scene::new(
        r#"
[state]
keep_logs = "1MiB"
[limits]
log_size = "300KiB"
[periodic.loud]
schedule = "* * * * * *"
script = "yes | head -c 10M"
timeout = "20s"
[periodic.chatty]
schedule = "* * * * * *"
script = "echo a line"
timeout = "5s"
"#,
    );
    let mut daemon = scene.up();
    let room = || -> (u64, usize) {
        let folders = ["loud", "chatty"].map(|job| scene.path(&format!("state/logs/{job}")));
        let files = folders.iter().filter_map(|f| f.read_dir().ok()).flatten();
        let lengths: Vec<u64> = files
            .filter_map(|file| Some(file.ok()?.metadata().ok()?.len().next_multiple_of(4096)))
            .collect();
        (lengths.iter().sum(), lengths.len())
    };
    daemon.wait_nth("run_ended", &[("job", "loud")], 8);
    // Beside what is being written at the moment.
    let (room, files) = until("old output to go", || {
        Some(room()).filter(|(room, _)| *room < (1 << 20) + (400 << 10))
    });
    assert!(files > 2, "{files} files of {room} bytes are left");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_a_run_prints_can_be_followed_to_its_end() {
    let scene = Scene::new(
        "[periodic.slow]\nschedule = \"* * * * * *\"\noverlap = \"skip\"\ntimeout = \"60s\"\n\
         script = \"echo first; while [ ! -e go ]; do sleep 0.05; done; echo last\"\n",
    );
    let mut daemon = scene.up();
    let begun = |scene: &Scene| scene.offhours(&["logs", "slow"]).out.contains("first");
    until("output", || begun(&scene).then_some(()));
    let mut command = scene.command(&["logs", "slow", "--follow"]);
    let mut following = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = std::io::BufReader::new(following.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("first") {
        assert!(std::io::BufRead::read_line(&mut printed, &mut text).unwrap() > 0);
    }
    assert!(following.try_wait().unwrap().is_none(), "it waits for more");
    scene.write("go", "");
    std::io::Read::read_to_string(&mut printed, &mut text).unwrap();
    assert!(following.wait().unwrap().success());
    assert!(text.contains("last"), "{text}");
    assert_eq!(daemon.stop(), 0);
}
