//! Asks `oracle.py` many questions at once.
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::seed::say;

/// The answers, or `None` where `tests/lab/setup.sh` has not been run, which CI does not allow.
pub fn ask(test: &str, questions: &[Value]) -> Option<Vec<Value>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let lab = root.join(target).join("lab");
    let script = Path::new(file!()).with_file_name("oracle.py");
    let child = Command::new(lab.join("venv/bin/python"))
        .arg(root.join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        let missing = format!("{} is incomplete: run tests/lab/setup.sh", lab.display());
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        say(&format!("SKIPPED {test}, which is NOT proven: {missing}"));
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let text: String = questions.iter().map(|asked| format!("{asked}\n")).collect();
    // Both sides write: neither must wait for the other to read.
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let mut stderr = child.stderr.take().unwrap();
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).map(|_| text)
    });
    let mut answers = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut answers)
        .unwrap();
    let status = child.wait().unwrap();
    let written = writer.join().unwrap();
    let complaints = complaints.join().unwrap().unwrap();
    assert!(status.success() && written.is_ok(), "{complaints}");
    let answers: Vec<Value> = answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), questions.len());
    Some(answers)
}

/// Numbers of an answer.
pub fn numbers(answer: &Value) -> Vec<i64> {
    let all = answer.as_array().unwrap();
    all.iter().map(|number| number.as_i64().unwrap()).collect()
}
