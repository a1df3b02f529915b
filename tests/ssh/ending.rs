//! However it ends, nothing of it is left on the host.
use std::fs;

use nix::sys::signal::Signal;
use offhours::ssh::{Fate, Verdict};

use super::lab::{Lab, finish, kill, processes, start, until};

/// A number that nobody else sleeps for.
fn mark() -> String {
    format!("9{}", fastrand::u32(..))
}

/// A job with a child in its group, a daemonised grandchild, and one that ignores SIGTERM.
fn tree(mark: &str) -> String {
    format!(
        "(setsid sleep {mark} &)\n(trap '' TERM; setsid sleep {mark} &)\nsleep {mark} &\n\
         echo up\nsleep {mark}"
    )
}

const TREE: usize = 4;

/// How many of those are there; no shell that is still to become one of them, and still to speak.
fn sleepers(mark: &str) -> usize {
    let sleeps = |pid: &i32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name == "sleep\n"
    };
    processes(mark).iter().filter(|pid| sleeps(pid)).count()
}

#[tokio::test]
async fn a_cut_lifeline_ends_the_group_and_what_left_it() {
    let Some(lab) = Lab::start("a_cut_lifeline_ends_the_group_and_what_left_it") else {
        return;
    };
    let mark = mark();
    let order = lab.shell(&tree(&mark)).await;
    let client = start(order.clone());
    until("all of it runs", || sleepers(&mark) == TREE);
    client.signal(Signal::SIGTERM);
    let done = client.done();
    // Only then the last word.
    assert_eq!(processes(&mark), [0i32; 0]);
    let verdict = Verdict::Signalled { signal: 15 };
    assert_eq!(done.verdict, verdict);
    assert_eq!(lab.fate(&order).await, Fate::Ended { verdict });
    assert!(done.output.starts_with("up\n"));
}

#[tokio::test]
async fn who_does_not_listen_is_killed_after_the_grace() {
    let Some(lab) = Lab::start("who_does_not_listen_is_killed_after_the_grace") else {
        return;
    };
    let mark = mark();
    let listens = lab.path("listens-no-more");
    let script = format!(
        "trap '' TERM; : >{}; while :; do sleep 1; done; : {mark}",
        listens.display()
    );
    let mut order = lab.shell(&script).await;
    order.grace_s = 1;
    let client = start(order);
    until("it runs", || listens.exists());
    client.signal(Signal::SIGTERM);
    let done = client.done();
    assert_eq!(processes(&mark), [0i32; 0]);
    assert_eq!(done.verdict, Verdict::Signalled { signal: 9 });
    assert_eq!(done.status, Some(137));
}

#[tokio::test]
async fn a_job_may_tidy_up_and_return_its_own_code() {
    let Some(lab) = Lab::start("a_job_may_tidy_up_and_return_its_own_code") else {
        return;
    };
    let mark = mark();
    let script = format!("trap 'echo tidy; exit 3' TERM; sleep {mark} & wait");
    let client = start(lab.shell(&script).await);
    until("it runs", || processes(&mark).len() > 1);
    client.signal(Signal::SIGTERM);
    let done = client.done();
    assert_eq!(done.verdict, Verdict::Exited { code: 3 });
    assert!(done.output.contains("tidy\n"), "{}", done.output);
}

#[tokio::test]
async fn a_killed_client_takes_the_tree_with_it() {
    let Some(lab) = Lab::start("a_killed_client_takes_the_tree_with_it") else {
        return;
    };
    let mark = mark();
    let order = lab.shell(&tree(&mark)).await;
    let mut client = start(order.clone());
    until("all of it runs", || sleepers(&mark) == TREE);
    client.signal(Signal::SIGKILL);
    client.guard.0.wait().unwrap();
    let verdict = Verdict::read(&order.verdict).unwrap();
    assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict:?}");
    until("all of it is gone", || processes(&mark).is_empty());
    let verdict = Verdict::Signalled { signal: 15 };
    assert_eq!(lab.end(&order).await, Fate::Ended { verdict });
}

#[tokio::test]
async fn a_killed_master_takes_the_tree_with_it() {
    let Some(lab) = Lab::start("a_killed_master_takes_the_tree_with_it") else {
        return;
    };
    let mark = mark();
    let order = lab.shell(&tree(&mark)).await;
    let client = start(order.clone());
    until("all of it runs", || sleepers(&mark) == TREE);
    for pid in processes(lab.path("m").to_str().unwrap()) {
        kill(pid, Signal::SIGKILL);
    }
    let done = client.done();
    assert_eq!(done.status, Some(70));
    assert!(matches!(done.verdict, Verdict::Unknown { .. }));
    until("all of it is gone", || processes(&mark).is_empty());
    // Over a new connection.
    let verdict = Verdict::Signalled { signal: 15 };
    assert_eq!(lab.end(&order).await, Fate::Ended { verdict });
}

#[tokio::test]
async fn what_a_job_leaves_behind_ends_before_the_last_word() {
    let Some(lab) = Lab::start("what_a_job_leaves_behind_ends_before_the_last_word") else {
        return;
    };
    let mark = mark();
    let script = format!(
        "(setsid sleep {mark} >/dev/null 2>&1 &)\nenv -i sleep {mark} &\n\
         until [ \"$(pgrep -fc '^sleep {mark}')\" = 2 ]; do :; done\necho left; exit 5"
    );
    let done = finish(lab.shell(&script).await);
    assert_eq!(processes(&mark), [0i32; 0]);
    assert_eq!(done.verdict, Verdict::Exited { code: 5 });
    assert_eq!(done.output, "left\n");
}

#[tokio::test]
async fn what_got_away_with_the_output_holds_nothing_up() {
    let Some(lab) = Lab::start("what_got_away_with_the_output_holds_nothing_up") else {
        return;
    };
    let mark = mark();
    let script = format!("(env -i setsid sleep {mark} &); echo printed");
    let done = finish(lab.shell(&script).await);
    assert_eq!(done.verdict, Verdict::Exited { code: 0 });
    assert_eq!(done.output, "printed\n");
    processes(&mark)
        .into_iter()
        .for_each(|pid| kill(pid, Signal::SIGKILL));
}

#[tokio::test]
async fn a_run_begins_but_once() {
    let Some(lab) = Lab::start("a_run_begins_but_once") else {
        return;
    };
    let order = lab.shell("exit 4").await;
    finish(order.clone());
    let again = finish(order.clone());
    assert!(matches!(again.verdict, Verdict::NotStarted { .. }));
    let verdict = Verdict::Exited { code: 4 };
    assert_eq!(lab.fate(&order).await, Fate::Ended { verdict });
    let never = lab.order(&["true"]).await;
    assert_eq!(lab.fate(&never).await, Fate::NeverBegan);
}

#[tokio::test]
async fn a_running_one_is_told_and_one_whose_runner_is_gone_too() {
    let Some(lab) = Lab::start("a_running_one_is_told_and_one_whose_runner_is_gone_too") else {
        return;
    };
    let mark = mark();
    let order = lab.order(&["sleep", &mark]).await;
    let client = start(order.clone());
    until("it runs", || !processes(&mark).is_empty());
    let Fate::Running { since } = lab.fate(&order).await else {
        panic!("it does not run");
    };
    assert!(since > 1_700_000_000);
    let marker = lab.state("runs").join(&order.run);
    let text = std::fs::read_to_string(marker).unwrap();
    let keeper = text.split(' ').nth(2).unwrap().parse().unwrap();
    kill(keeper, Signal::SIGKILL);
    let done = client.done();
    assert!(matches!(done.verdict, Verdict::Unknown { .. }));
    // The lifeline still sees to it.
    until("it is gone", || processes(&mark).is_empty());
    assert_eq!(lab.end(&order).await, Fate::Gone);
}
