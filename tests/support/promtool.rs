/// `promtool` of Debian's package prometheus, in the folder of the examples, with what it says of this input.
pub fn promtool(args: &[&str], input: &str) -> Option<(bool, String)> {
    let child = std::process::Command::new("promtool")
        .args(args)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/monitoring"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        assert!(std::env::var("CI").is_err(), "there is no promtool");
        eprintln!("SKIPPED: there is no promtool");
        return None;
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    // One that complains at once reads no more.
    let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("its end");
    let said = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}
