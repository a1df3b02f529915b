//! What is kept of what a job prints.
use std::time::Duration;

use offhours::process::End;

use crate::lab::{Lab, exited};

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_job_leaves_no_log() {
    let lab = Lab::new().await;
    let result = lab.run(lab.script("true")).await;
    assert_eq!(
        (
            result.log_written,
            result.output_bytes,
            result.tail.as_str()
        ),
        (false, 0, "")
    );
    assert!(!lab.path("logs").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn both_streams_are_kept_in_order_with_the_run_and_its_times() {
    let lab = Lab::new().await;
    let result = lab
        .run(lab.script("echo one; echo two >&2; printf three; exit 3"))
        .await;
    assert_eq!(
        (result.log_written, result.log_error, result.output_bytes),
        (true, None, 13)
    );
    assert_eq!(result.tail, "one\ntwo\nthree");
    let log = lab.read("logs/test.1.log");
    let lines: Vec<&str> = log.lines().collect();
    assert!(
        lines[0].starts_with("offhours: run test.1 began 2"),
        "{log}"
    );
    assert_eq!(lines[1..4], ["one", "two", "three"]);
    assert!(
        lines[4].starts_with("offhours: run test.1 ended 2") && lines[4].ends_with("exit code 3"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn head_and_tail_of_a_flood_are_kept() {
    let lab = Lab::new().await;
    let mut spec = lab.script("echo first; yes | head -c 1G; echo last");
    spec.log_limit = 10_000;
    let result = lab.run(spec).await;
    assert_eq!(result.end, exited(0));
    assert_eq!(result.output_bytes, (1 << 30) + 11);
    assert!(
        result.tail.len() == 400 && result.tail.ends_with("y\nlast\n"),
        "{}",
        result.tail
    );
    let log = lab.read("logs/test.1.log");
    assert!(log.len() < 10_400, "{} bytes", log.len());
    assert!(log.lines().nth(1) == Some("first"));
    let left_out = format!(
        "\noffhours: {} bytes of output left out here\n",
        (1 << 30) + 11 - 10_000
    );
    let (head, tail) = log
        .split_once(&left_out)
        .expect("a line that says how much is missing");
    assert!(
        head.ends_with("y\ny\n") && tail.contains("y\nlast\noffhours: "),
        "{tail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn output_just_at_the_limit_is_whole() {
    for (size, cut) in [(9_999, false), (10_000, false), (10_001, true)] {
        let lab = Lab::new().await;
        let mut spec = lab.script(&format!("head -c {size} /dev/zero | tr '\\0' +"));
        spec.log_limit = 10_000;
        assert_eq!(lab.run(spec).await.output_bytes, size);
        let log = lab.read("logs/test.1.log");
        assert_eq!(log.contains("1 bytes of output left out"), cut, "{size}");
        assert_eq!(log.matches('+').count(), size.min(10_000) as usize);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_prints_without_end_is_ended_in_time() {
    let lab = Lab::new().await;
    let mut spec = lab.script("exec yes");
    spec.timeout = Duration::from_millis(300);
    let result = lab.run(spec).await;
    assert_eq!(result.end, End::TimedOut { exit: None });
    assert!(lab.path("logs/test.1.log").metadata().unwrap().len() < (1 << 20) + 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_is_told_and_nothing_else() {
    let lab = Lab::new().await;
    std::fs::write(lab.path("logs"), "a file where the folder should be").unwrap();
    let result = lab.run(lab.script("echo out; exit 4")).await;
    assert_eq!(
        (result.end, result.log_written, result.tail.as_str()),
        (exited(4), false, "out\n")
    );
    assert!(result.log_error.unwrap().contains("logs/test.1.log"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_closes_its_output_is_waited_for() {
    let lab = Lab::new().await;
    let result = lab
        .run(lab.script("echo out; exec >&- 2>&-; sleep 0.2; exit 5"))
        .await;
    assert_eq!((result.end, result.tail.as_str()), (exited(5), "out\n"));
    // A little less is measured where the supervisor gets a processor later than the job.
    assert!(result.elapsed >= Duration::from_millis(100));
}
