//! What is served beside the work.

use std::fs;

use crate::scene::{Scene, free_port, get, until};

const TICK: &str = r#"
[periodic.tick]
schedule = "* * * * * *"
run = ["true"]
timeout = "5s"
"#;

#[test]
fn page_status_metrics_and_probes() {
    let port = free_port();
    let scene = Scene::new(&format!(
        "[http]\nlisten = [\"127.0.0.1:{port}\"]\ntoken_file = \"token\"\n{TICK}"
    ));
    scene.write("token", "0123456789abcdef0123456789abcdef\n");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(scene.path("token"), fs::Permissions::from_mode(0o600)).unwrap();
    let mut daemon = scene.up();
    let (code, _) = until("an answer", || get(port, "localhost", "/readyz", ""));
    assert_eq!(code, 200);
    for path in ["/livez", "/", "/status", "/metrics"] {
        let (code, text) = get(port, "127.0.0.1:9190", path, "").unwrap();
        assert_eq!(code, 200, "{path}: {text}");
    }
    let (code, text) = get(port, "evil.example.org", "/status", "").unwrap();
    assert_eq!(code, 421, "{text}");
    assert!(!text.contains("tick"), "{text}");

    // Who knows the token learns which process it is; the command says the same.
    let token = "Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n";
    let json = |more: &str| -> serde_json::Value {
        let (_, text) = get(port, "localhost", "/status", more).unwrap();
        serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap()
    };
    let known = json(token);
    assert_eq!(known["daemon"]["pid"], daemon.pid(), "{known}");
    assert_eq!(known["daemon"]["running"], true, "{known}");
    let public = json("");
    assert_eq!(public["daemon"]["running"], true, "{public}");
    assert!(public["daemon"]["since"].is_string(), "{public}");
    assert!(public["daemon"]["version"].is_string(), "{public}");
    let said = scene.offhours(&["status", "--json"]).expect(0).json();
    assert_eq!(said["daemon"]["pid"], daemon.pid());
    assert_eq!(daemon.stop(), 0);
    assert!(get(port, "localhost", "/livez", "").is_none());
}

/// The sockets of a process that listen to the network.
fn listens(pid: i32) -> bool {
    let inodes: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
        .filter_map(|to| {
            let to = to.to_string_lossy().into_owned();
            Some(to.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    ["tcp", "tcp6"].iter().any(|table| {
        fs::read_to_string(format!("/proc/{pid}/net/{table}"))
            .unwrap_or_default()
            .lines()
            .any(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                words.get(3) == Some(&"0A")
                    && words.get(9).is_some_and(|i| inodes.iter().any(|n| n == i))
            })
    })
}

#[test]
fn nothing_listens_unless_asked_to() {
    let scene = Scene::new(TICK);
    let mut daemon = scene.up();
    daemon.wait("run_ended", &[]);
    assert!(!listens(daemon.pid()));
    assert_eq!(daemon.stop(), 0);

    let port = free_port();
    scene.write(
        "windows.toml",
        &format!("[http]\nlisten = [\"127.0.0.1:{port}\"]\n{TICK}"),
    );
    let mut daemon = scene.up();
    daemon.wait("run_ended", &[]);
    assert!(listens(daemon.pid()), "the test itself would see it");
    assert_eq!(daemon.stop(), 0);
}
