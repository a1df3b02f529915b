//! Every host that something runs on: whether it is reached, has what runs there need, and what is to run there.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::programs::{self, Plan};
use super::{Finding, Level};
use crate::core::policy::{Host, Policy};
use crate::ssh::{self, Destination, Found, Masters};

/// Clocks further apart than this are worth a word; that much further they are wrong.
const APART_S: i64 = 5;
const WRONG_S: i64 = 60;
/// Less room than this on a host is worth a word; with that little no script can be sent there.
const ROOM: u64 = 64 << 20;
const NO_ROOM: u64 = 1 << 20;

/// Connections of this command alone; they are ended with it.
struct Connections {
    masters: Masters,
    dir: std::path::PathBuf,
}

impl Drop for Connections {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Asks these hosts, or all.
pub(super) fn ask(policy: &Policy, only: &[String], asked: &mut JoinSet<Vec<Finding>>) {
    let named = |host: &&Arc<Host>| only.is_empty() || only.iter().any(|word| host.is_meant(word));
    let hosts: Vec<Arc<Host>> = policy.hosts.values().filter(named).cloned().collect();
    for name in only
        .iter()
        .filter(|word| !policy.hosts.values().any(|host| host.is_meant(word)))
    {
        let text = "there is no such host, or none in such a group";
        let finding = Finding::new("host", name, Level::Failure, text);
        asked.spawn(async move { vec![finding] });
    }
    if hosts.is_empty() {
        return;
    }
    let dir = std::env::temp_dir().join(format!("offhours-d{}", std::process::id()));
    let connections = match Masters::new(&dir) {
        Ok(masters) => Arc::new(Connections { masters, dir }),
        Err(error) => {
            let text = format!("hosts cannot be reached from here: {error}");
            let finding = Finding::new("host", "", Level::Failure, text);
            asked.spawn(async move { vec![finding] });
            return;
        }
    };
    for host in hosts {
        let connections = connections.clone();
        let plan = programs::planned(policy, &host);
        asked.spawn(async move { one(&connections.masters, &host, plan).await });
    }
}

async fn one(masters: &Masters, host: &Host, plan: Plan) -> Vec<Finding> {
    let finding = |level, text: String| Finding::new("host", &host.name, level, text);
    let control = match masters.reach(&Destination::from(host)).await {
        Ok(control) => control,
        Err(unreachable) => return vec![finding(Level::Failure, unreachable.why)],
    };
    let found = match ssh::probe(&control, &host.r#become).await {
        Ok(found) => found,
        Err(unreachable) => return vec![finding(Level::Failure, unreachable.why)],
    };
    let mut said = judged(host, &found);
    // As somebody it may not become, nothing is found.
    let mut programs = 0;
    if found.may_become != Some(false) && found.missing.is_empty() {
        match programs::ask(&control, plan).await {
            Ok((all, flaws)) => {
                programs = all;
                said.extend(flaws);
            }
            Err(unreachable) => said.push((Level::Failure, unreachable.why)),
        }
    }
    if said.is_empty() {
        let days = found.uptime_s / 86_400;
        let text = format!(
            "reached as {}, up for {days} days; what runs there is there ({programs})",
            found.user
        );
        said.push((Level::Good, text));
    }
    said.into_iter()
        .map(|(level, text)| finding(level, text))
        .collect()
}

/// What is to be said against a host.
fn judged(host: &Host, found: &Found) -> Vec<(Level, String)> {
    let mut said = Vec::new();
    if !found.missing.is_empty() {
        let text = format!("it has no {}", found.missing.join(", "));
        said.push((Level::Failure, text));
    }
    if found.may_become == Some(false) {
        let words = host.r#become.join(" ");
        let text = format!("{} may not `{words}`: {}", found.user, found.noise);
        said.push((Level::Failure, text));
    }
    let ahead = found.clock_ahead_s;
    if ahead.abs() > APART_S {
        let level = match ahead.abs() > WRONG_S {
            true => Level::Failure,
            false => Level::Warning,
        };
        let how = if ahead > 0 { "ahead" } else { "behind" };
        said.push((level, format!("its clock is {} s {how}", ahead.abs())));
    }
    match found.free {
        None => said.push((Level::Failure, format!("{} cannot be written", found.state))),
        Some(free) if free < ROOM => {
            let text = format!("{} KiB are free in {}", free / 1024, found.state);
            let level = match free < NO_ROOM {
                true => Level::Failure,
                false => Level::Warning,
            };
            said.push((level, text));
        }
        Some(_) => {}
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_is_late_is_told() {
        let host = Host {
            name: "web1".into(),
            ssh: "web1".into(),
            port: None,
            identity: None,
            jump: None,
            known_hosts: None,
            ssh_config: None,
            connect_timeout: jiff::SignedDuration::from_secs(10),
            alive_interval: jiff::SignedDuration::from_secs(15),
            groups: Vec::new(),
            labels: Vec::new(),
            window: None,
            r#become: vec!["sudo".into(), "-n".into()],
            locks: Vec::new(),
        };
        let well = Found {
            user: "deploy".into(),
            may_become: Some(true),
            free: Some(1 << 30),
            ..Found::default()
        };
        assert_eq!(judged(&host, &well), []);
        let bad = Found {
            missing: vec!["flock".into()],
            may_become: Some(false),
            clock_ahead_s: -3_600,
            free: None,
            ..well
        };
        let said = judged(&host, &bad);
        assert!(said.iter().all(|(level, _)| *level == Level::Failure));
        let text: Vec<String> = said.into_iter().map(|(_, text)| text).collect();
        let text = text.join("\n");
        for words in [
            "no flock",
            "may not `sudo -n`",
            "3600 s behind",
            "cannot be written",
        ] {
            assert!(text.contains(words), "{text}");
        }
    }
}
