//! Floods: whatever a job prints, and from wherever, it is neither held up nor kept in memory.
use offhours::process::RunSpec;

use crate::lab::{Lab, began, ended, exited, parent, wait_until};

const MIB: u64 = 1 << 20;

/// Kilobytes that a process has for itself.
fn own_memory(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

fn limited(mut spec: RunSpec, limit: u64) -> RunSpec {
    spec.log_limit = limit;
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_without_lines_and_on_both_streams_takes_no_memory() {
    let lab = Lab::new().await;
    let script = "head -c 32M /dev/zero | tr '\\0' a; head -c 32M /dev/zero | tr '\\0' b >&2
                  echo > printed; while [ ! -e go ]; do sleep 0.05; done";
    let mut run = lab.launcher.spawn(limited(lab.script(script), 64 << 10));
    let supervisor = parent(began(&mut run).await);
    wait_until("all is printed", || lab.path("printed").exists());
    let kilobytes = own_memory(supervisor);
    assert!((1..4_096).contains(&kilobytes), "{kilobytes} KB");
    std::fs::write(lab.path("go"), "").unwrap();
    let result = ended(&mut run).await;
    assert_eq!((result.end, result.output_bytes), (exited(0), 64 * MIB));
    assert_eq!(result.tail, "b".repeat(400));
    let log = lab.read("logs/test.1.log");
    let kept = log.matches('a').count();
    assert!((32 << 10..33 << 10).contains(&kept), "{kept} of the head");
    assert!(log.matches('b').count() >= 32 << 10, "the tail");
    assert!(log.len() < 66 << 10, "{} bytes", log.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_daemonised_grandchild_prints_is_kept_like_the_rest() {
    let lab = Lab::new().await;
    // The main process ends at once, its parent is gone, and it is in a session of its own.
    let script = "echo first; (setsid sh -c 'yes one | head -c 64M; echo last' &) ; exit 3";
    let mut run = lab.launcher.spawn(limited(lab.script(script), 10_000));
    let mut beside = lab.launcher.spawn(RunSpec {
        id: "beside.1".into(),
        log: None,
        ..lab.script("echo x")
    });
    began(&mut run).await;
    assert_eq!(ended(&mut beside).await.end, exited(0), "others go on");
    let result = ended(&mut run).await;
    assert_eq!(
        (result.end, result.output_bytes),
        (exited(3), 64 * MIB + 11)
    );
    assert!(result.tail.ends_with("one\nlast\n"), "{}", result.tail);
    let log = lab.read("logs/test.1.log");
    assert!(log.contains("\nfirst\none\n") && log.contains("\nlast\noffhours: "));
    assert!(log.len() < 10_400, "{} bytes", log.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_short_lines_the_first_and_the_last_are_kept() {
    let lab = Lab::new().await;
    let script = "i=0; while [ $i -lt 50000 ]; do echo $i; i=$((i+1)); done";
    let result = lab.run(limited(lab.script(script), 20_000)).await;
    let printed: u64 = (0..50_000_u64)
        .map(|i| i.to_string().len() as u64 + 1)
        .sum();
    assert_eq!((result.end, result.output_bytes), (exited(0), printed));
    let log = lab.read("logs/test.1.log");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[1..4], ["0", "1", "2"]);
    assert_eq!(lines[lines.len() - 2], "49999");
    assert!(log.len() < 20_400, "{} bytes", log.len());
}
