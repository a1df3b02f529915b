//! A host on which nothing can be written.
use std::fs;

use offhours::ssh::{Fate, Order, Verdict, probe};

use super::lab::{Lab, finish, skip};

/// Its folders are on a disk of their own, which is full; `None` where that cannot be made.
async fn full(test: &str) -> Option<Lab> {
    let unshare = std::process::Command::new("unshare")
        .args(["-m", "true"])
        .status();
    if !unshare.is_ok_and(|status| status.success()) {
        skip(test, "no mount namespace can be made");
        return None;
    }
    let lab = Lab::start_with(test, "", &["unshare", "-m"])?;
    let state = lab.path("state").display().to_string();
    let disk = format!(
        "mkdir -p {state} && mount -t tmpfs tmpfs /dev/shm && mount -t tmpfs -o size=64k tmpfs {state} &&
         mkdir -p {state}/offhours/locks {state}/offhours/runs {state}/offhours/tmp &&
         ! head -c 1048576 /dev/zero >{state}/full"
    );
    let made = finish(lab.shell(&disk).await);
    assert_eq!(made.verdict, Verdict::Exited { code: 0 }, "{}", made.output);
    Some(lab)
}

/// With a script of more than is free.
async fn order(lab: &Lab, regardless: bool) -> Order {
    let script = lab.path("script");
    let text = format!("#!/bin/sh\necho back\nexit 0\n{}\n", "#".repeat(20_000));
    fs::write(&script, text).unwrap();
    let mut order = lab.order(&["hook"]).await;
    order.script = Some(script);
    order.regardless = regardless;
    order
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_begun_and_says_why() {
    let Some(lab) = full("what_cannot_be_recorded_is_not_begun_and_says_why").await else {
        return;
    };
    for order in [lab.shell("echo begun").await, order(&lab, false).await] {
        let done = finish(order.clone());
        let Verdict::NotStarted { why } = done.verdict else {
            panic!("{:?}", done.verdict);
        };
        assert!(why.contains("No space left on device"), "{why}");
        assert_eq!(done.output, "");
        assert_eq!(lab.fate(&order).await, Fate::NeverBegan);
    }
    let found = probe(&lab.control().await, &[]).await.unwrap();
    assert_eq!(found.free, Some(0), "{found:?}");
}

#[tokio::test]
async fn what_brings_an_app_back_is_run_all_the_same() {
    let Some(lab) = full("what_brings_an_app_back_is_run_all_the_same").await else {
        return;
    };
    let state = lab.path("state").display().to_string();
    let verdict = Verdict::Exited { code: 0 };
    for disk in ["full", "read-only", "without the right to execute"] {
        let change = match disk {
            "full" => "true".to_owned(),
            "read-only" => format!("rm {state}/full; mount -o remount,ro {state}"),
            _ => "mount -o remount,noexec /dev/shm".to_owned(),
        };
        let mut change = lab.shell(&change).await;
        change.regardless = true;
        assert_eq!(finish(change).verdict, verdict, "{disk}");
        let order = order(&lab, true).await;
        let done = finish(order.clone());
        assert_eq!(
            (&*done.output, &done.verdict),
            ("back\n", &verdict),
            "{disk}"
        );
        let ended = Fate::Ended {
            verdict: verdict.clone(),
        };
        assert_eq!(lab.fate(&order).await, ended, "{disk}");
        // Each order is taken once, there too.
        let again = finish(order).verdict;
        let Verdict::NotStarted { why } = again else {
            panic!("{disk}: {again:?}");
        };
        assert!(why.contains("ordered before"), "{disk}: {why}");
    }
    let mut look = lab
        .shell("ls /dev/shm/offhours.*/tmp /tmp/offhours.*/tmp; ls -ld /dev/shm/offhours.* | cut -c1-10")
        .await;
    look.regardless = true;
    let said = finish(look).output;
    assert!(
        said.ends_with("\n\ndrwx------\n") || said.ends_with("tmp:\ndrwx------\n"),
        "{said}"
    );
}

#[tokio::test]
async fn a_place_that_others_made_is_not_used() {
    let Some(lab) = full("a_place_that_others_made_is_not_used").await else {
        return;
    };
    let own = nix::unistd::geteuid();
    let places = format!("/dev/shm/offhours.{own} /tmp/offhours.{own} /var/tmp/offhours.{own}");
    // A link to a folder of ours, one of somebody else, and one in which others may write.
    let mut trap = lab
        .shell(&format!(
            "mount -t tmpfs -o mode=1777 tmpfs /var/tmp && mkdir -p /run/user && mount -t tmpfs tmpfs /run/user && set -- {places} &&
             rm -rf $1 && mkdir -m 700 /dev/shm/ours && ln -s /dev/shm/ours $1 &&
             mkdir -m 700 $2.trap && mkdir -m 777 $3 && rm -rf $2 && mv $2.trap $2 && chown 65534 $2"
        ))
        .await;
    trap.regardless = true;
    finish(trap);
    let done = finish(order(&lab, true).await);
    let Verdict::NotStarted { why } = done.verdict else {
        panic!("{:?}", done.verdict);
    };
    assert!(
        why.contains("No space left on device, nor in /run/user/"),
        "{why}"
    );
}

#[tokio::test]
async fn what_was_ordered_where_nothing_could_be_written_is_not_ordered_anew_elsewhere() {
    let test = "what_was_ordered_where_nothing_could_be_written_is_not_ordered_anew_elsewhere";
    let Some(lab) = full(test).await else {
        return;
    };
    let order = order(&lab, true).await;
    assert_eq!(finish(order.clone()).output, "back\n");
    let room = format!("rm {}/full", lab.path("state").display());
    let mut room = lab.shell(&room).await;
    room.regardless = true;
    finish(room);
    let again = finish(order).verdict;
    assert!(matches!(again, Verdict::NotStarted { .. }), "{again:?}");
}
