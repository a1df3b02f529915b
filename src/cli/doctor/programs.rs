//! What is to run on a host: whether it is there, and whether others could change it.

use std::collections::BTreeMap;
use std::path::Path;

use super::Level;
use crate::core::policy::{Command, Host, Policy};
use crate::ssh::{self, Flaw, Unreachable, Wanted};

/// So many lines of one host say enough.
const MOST: usize = 20;

/// Who wants a program.
#[derive(Default)]
pub(super) struct Users {
    /// A hook that others could change is not to run; a job is a matter of taste.
    hook: bool,
    names: Vec<String>,
}

/// By whom it runs as, and what.
pub(super) type Plan = BTreeMap<Vec<String>, BTreeMap<Wanted, Users>>;

/// Everything that the configuration has run on this host.
pub(super) fn planned(policy: &Policy, host: &Host) -> Plan {
    let mut plan = Plan::new();
    let mut add = |command: &Command, hook: bool, who: String| {
        let r#become = host.way(command.user.as_ref()).r#become;
        let path = command.env.iter().find(|(name, _)| name == "PATH");
        let wanted = Wanted {
            dir: command
                .dir_named
                .then(|| command.dir.to_string_lossy().into_owned()),
            path: path.map(|(_, path)| path.clone()),
            program: command.argv.first().filter(|_| !command.beside).cloned(),
        };
        let users = plan.entry(r#become).or_default().entry(wanted).or_default();
        users.hook |= hook;
        if !users.names.contains(&who) {
            users.names.push(who);
        }
    };
    for app in policy.apps.values() {
        for (kind, hooks) in [("enter", &app.enter), ("leave", &app.leave)] {
            for hook in hooks.iter().filter(|hook| hook.host == host.name) {
                add(&hook.command, true, format!("{kind} hook of {}", app.name));
            }
        }
    }
    for job in policy.maintenance.values() {
        let who = || format!("maintenance.{}", job.name);
        let here = job.hosts.contains(&host.name);
        if here {
            add(&job.command, false, who());
            if let Some(probe) = &job.only_if {
                add(&probe.command, false, who());
            }
        }
        let beside = job.rolling.in_service.as_ref();
        if let Some(health) = &job.rolling.healthy
            && (here || beside.is_some_and(|beside| beside.hosts.contains(&host.name)))
        {
            add(&health.command, false, who());
        }
    }
    for job in policy.periodic.values().filter(|job| job.host == host.name) {
        add(&job.command, false, format!("periodic.{}", job.name));
    }
    plan
}

/// What is to be said of them; nothing where all are well. How many there are.
pub(super) async fn ask(
    control: &Path,
    plan: Plan,
) -> Result<(usize, Vec<(Level, String)>), Unreachable> {
    let (mut all, mut said) = (0, Vec::new());
    for (r#become, wanted) in plan {
        let (wanted, users): (Vec<Wanted>, Vec<Users>) = wanted.into_iter().unzip();
        all += wanted.len();
        for (at, flaw) in ssh::programs(control, &r#become, &wanted).await? {
            said.push(judged(&wanted[at], &users[at], flaw));
        }
    }
    if said.len() > MOST {
        let more = said.len() - MOST;
        let worst = said.iter().skip(MOST).map(|(level, _)| *level).max();
        said.truncate(MOST);
        said.push((
            worst.unwrap_or(Level::Failure),
            format!("and {more} more like these"),
        ));
    }
    Ok((all, said))
}

fn judged(wanted: &Wanted, users: &Users, flaw: Flaw) -> (Level, String) {
    let whose = match users.names.as_slice() {
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        [] => String::new(),
    };
    match flaw {
        Flaw::Folder => {
            let dir = wanted.dir.as_deref().unwrap_or("of the user");
            let text = format!("the folder {dir} cannot be entered ({whose})");
            (Level::Failure, text)
        }
        Flaw::Missing => {
            let program = wanted.program.as_deref().unwrap_or_default();
            let text = format!("there is no program {program} that may be executed ({whose})");
            (Level::Failure, text)
        }
        Flaw::Open(how) if users.hook => (Level::Failure, format!("{how} ({whose})")),
        Flaw::Open(how) => (Level::Warning, format!("{how} ({whose})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_that_others_could_change_is_worse_than_a_job() {
        let wanted = Wanted {
            program: Some("/opt/x".into()),
            ..Wanted::default()
        };
        let users = |hook| Users {
            hook,
            names: vec!["maintenance.a".into(), "maintenance.b".into()],
        };
        let open = || Flaw::Open("/opt/x belongs to the user 7".into());
        assert_eq!(judged(&wanted, &users(true), open()).0, Level::Failure);
        let (level, text) = judged(&wanted, &users(false), open());
        assert_eq!(level, Level::Warning);
        assert_eq!(
            text,
            "/opt/x belongs to the user 7 (maintenance.a and 1 more)"
        );
        let (level, text) = judged(&wanted, &users(false), Flaw::Missing);
        assert_eq!(level, Level::Failure);
        assert!(text.contains("no program /opt/x"), "{text}");
    }
}
