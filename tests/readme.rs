//! What the README and the examples say is true: every example in them is checked or run.
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_offhours");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

struct Block {
    language: String,
    file: Option<String>,
    text: String,
}

/// The fenced blocks of the README, in order.
fn blocks() -> Vec<Block> {
    let readme = read("README.md");
    let mut blocks = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let mut words = info.split(' ').map(String::from);
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push(Block {
            language: words.next().unwrap_or_default(),
            file: words.next(),
            text: text.join("\n") + "\n",
        });
    }
    assert!(!blocks.is_empty());
    blocks
}

/// A folder of an operator who has just copied the README's files and the hooks.
struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    fn new() -> Self {
        let sandbox = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for block in blocks().into_iter().filter(|b| b.language == "toml") {
            let file = block.file.expect("a file's name stands after its language");
            sandbox.write(&file, &block.text, 0o644);
        }
        sandbox.write("smtp-password", "not a secret\n", 0o600);
        for hook in ["hooks/enter-flag", "hooks/leave-flag"] {
            sandbox.write(hook, &read(hook), 0o755);
        }
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// In a shell, with the program in its PATH and the state in the sandbox.
    fn shell(&self, line: &str) -> Output {
        let programs = Path::new(PROGRAM).parent().unwrap().display();
        let path = std::env::var("PATH").unwrap();
        Command::new("bash")
            .args(["-o", "pipefail", "-c", line])
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", format!("{programs}:{path}"))
            .env("OFFHOURS_STATE__DIR", self.path("state"))
            .env("OFFHOURS_CONTROL__SOCKET", self.path("control.sock"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

/// Whether the printed matches the promised, where `…` stands for anything: for part of a line, or on a line of its own
/// for any number of lines.
fn matches(promised: &[&str], printed: &[&str]) -> bool {
    match (promised.split_first(), printed.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((&"…", later)), None) => matches(later, printed),
        (Some((&"…", later)), Some((_, rest))) => {
            matches(later, printed) || matches(promised, rest)
        }
        (Some(_), None) => false,
        (Some((promised, later)), Some((line, rest))) => {
            same(promised, line) && matches(later, rest)
        }
    }
}

fn same(promised: &str, line: &str) -> bool {
    let Some((before, after)) = promised.split_once('…') else {
        return promised.trim_end() == line.trim_end();
    };
    line.strip_prefix(before).is_some_and(|rest| {
        let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        ends.into_iter().any(|at| same(after, &rest[at..]))
    })
}

#[test]
fn dots_stand_for_anything_and_nothing_else_does() {
    assert!(matches(&["a", "…", "c"], &["a", "b", "b", "c"]));
    assert!(matches(&["a…c…"], &["abcd"]));
    assert!(!matches(&["a", "c"], &["a", "b", "c"]));
    assert!(!matches(&["a…c"], &["ab"]));
}

#[test]
fn every_file_in_the_readme_is_accepted() {
    let sandbox = Sandbox::new();
    for name in ["windows.toml", "only-windows.toml", "fleet.toml"] {
        let output = sandbox.shell(&format!("offhours check --strict --config {name}"));
        assert!(output.status.success(), "{name}: {output:?}");
        assert!(output.stderr.is_empty(), "{name}: {output:?}");
    }
}

#[test]
fn every_command_in_the_readme_prints_what_is_written_there() {
    let sandbox = Sandbox::new();
    let mut commands = 0;
    for block in blocks().into_iter().filter(|b| b.language == "console") {
        for part in format!("\n{}", block.text).split("\n$ ").skip(1) {
            let (command, promised) = part.split_once('\n').unwrap_or((part, ""));
            let output = sandbox.shell(&format!("exec 2>&1; {command}"));
            let printed = String::from_utf8(output.stdout).unwrap();
            let promised: Vec<&str> = promised.trim_end().lines().collect();
            let lines: Vec<&str> = printed.trim_end().lines().collect();
            assert!(
                matches(&promised, &lines),
                "{command}\nis promised to print\n{}\nbut printed\n{printed}",
                promised.join("\n")
            );
            assert!(output.status.success(), "{command}: {}", output.status);
            commands += 1;
        }
    }
    assert!(commands >= 8, "only {commands} commands were found");
}

#[test]
fn what_is_installed_and_linked_is_there() {
    let readme = read("README.md");
    for link in readme.split("](").skip(1) {
        let target = link.split(')').next().unwrap();
        if !target.starts_with("http") {
            assert!(root().join(target).exists(), "{target}");
        }
    }
    let shell: String = blocks()
        .into_iter()
        .filter(|b| b.language == "sh")
        .map(|b| b.text)
        .collect();
    assert!(shell.contains("cargo run --release -- run --config examples/quickstart.toml\n"));
    assert!(shell.contains("bash tests/all\n") && root().join("tests/all").exists());
    assert!(shell.contains("install -m 644 examples/systemd/offhours.service"));
}

#[test]
fn every_example_is_accepted() {
    for name in ["windows.toml", "examples/quickstart.toml"] {
        let output = Command::new(PROGRAM)
            .args(["check", "--strict", "--config", name])
            .current_dir(copy_of_the_project().path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
    }
}

/// What a newcomer needs of the project, where nobody else can write.
fn copy_of_the_project() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, mode) in [
        ("windows.toml", 0o644),
        ("examples/contacts.toml", 0o644),
        ("examples/holidays.ics", 0o644),
        ("examples/notices/_signature.txt", 0o644),
        ("examples/notices/letter.txt", 0o644),
        ("examples/notices/subject.txt", 0o644),
        ("examples/quickstart.toml", 0o644),
        ("hooks/enter-flag", 0o755),
        ("hooks/leave-flag", 0o755),
    ] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, read(name)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    dir
}

/// The units as they are installed, with their drop-ins where asked, in a folder of their own.
fn units(with: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["offhours.service", "offhours-restricted.service"] {
        let text = read(&format!("examples/systemd/{name}"));
        let text = text.replace("/usr/local/bin/offhours", "/bin/true");
        fs::write(dir.path().join(name), text).unwrap();
    }
    let drops = dir.path().join("offhours.service.d");
    fs::create_dir(&drops).unwrap();
    for name in with {
        let text = read(&format!("examples/systemd/offhours.service.d/{name}"));
        fs::write(drops.join(name), text).unwrap();
    }
    dir
}

fn analyze(args: &[&str], unit: &Path) -> Option<Output> {
    let output = Command::new("systemd-analyze")
        .args(args)
        .arg(unit)
        .output();
    if output.is_err() {
        eprintln!("SKIPPED: there is no systemd-analyze, the units were not verified");
    }
    output.ok()
}

#[test]
fn systemd_accepts_the_units() {
    let dir = units(&["hardened.conf", "loosened.conf"]);
    for name in ["offhours.service", "offhours-restricted.service"] {
        let Some(output) = analyze(&["verify", "--man=no"], &dir.path().join(name)) else {
            return;
        };
        // It exits with 0 also where it does not know a key.
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
        assert!(output.status.success(), "{name}");
    }
}

/// What `systemd-analyze security` says of them, times ten: less is better, and it gets no worse.
#[test]
fn the_units_are_as_closed_as_they_were() {
    for (name, with, most) in [
        ("offhours.service", &[][..], 91),
        ("offhours.service", &["hardened.conf"][..], 75),
        ("offhours-restricted.service", &[][..], 27),
    ] {
        let dir = units(with);
        let threshold = format!("--threshold={most}");
        let args = ["security", "--offline=true", "--no-pager", &threshold];
        let Some(output) = analyze(&args, &dir.path().join(name)) else {
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout);
        let verdict = said.lines().last().unwrap_or_default();
        assert!(output.status.success(), "{name} with {with:?}: {verdict}");
    }
}

/// A daemon that ends with this value.
struct Daemon(std::process::Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_quickstart_shows_a_session_within_90_seconds() {
    let project = copy_of_the_project();
    let file = project.path().join("examples/quickstart.toml");
    let text = read("examples/quickstart.toml");
    // Any free port: somebody may be looking at the quickstart just now.
    let text = text.replace("127.0.0.1:9190", "127.0.0.1:0");
    fs::write(&file, text).unwrap();
    let offhours = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(&file).args(arguments);
        command.stdin(Stdio::null());
        command
    };

    let began = std::time::Instant::now();
    let mut daemon = offhours(&["run"]);
    let daemon = daemon.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut daemon = Daemon(daemon.unwrap());
    let (lines, told) = std::sync::mpsc::channel();
    let output = daemon.0.stdout.take().unwrap();
    std::thread::spawn(move || {
        use std::io::BufRead as _;
        for line in std::io::BufReader::new(output)
            .lines()
            .map_while(Result::ok)
        {
            let _ = lines.send(line);
        }
    });
    let limit = std::time::Duration::from_secs(90);
    let mut heard = Vec::new();
    while !heard
        .iter()
        .any(|line: &String| line.contains("session closed:"))
    {
        let left = limit.saturating_sub(began.elapsed());
        match told.recv_timeout(left) {
            Ok(line) => heard.push(line),
            Err(error) => panic!("{error}, heard until then: {heard:#?}"),
        }
    }

    let state = project.path().join("examples/quickstart-state");
    let mails = fs::read_dir(state.join("mail")).unwrap();
    assert!(mails.count() >= 1);
    assert!(!state.join("shop.flag").exists(), "the shop is not back");
    let history = offhours(&["history", "--json", "update"]).output().unwrap();
    let history: serde_json::Value = serde_json::from_slice(&history.stdout).unwrap();
    assert_eq!(history[0]["outcome"], "succeeded");
}
