//! Who is at the other end of the socket, as the kernel says it, and what they may do.

use nix::unistd::{Gid, Uid, User, getgrouplist};

use crate::config::{ControlConfig, ControlRole};
use crate::core::policy::Name;
use crate::core::wish::Asker;

/// What audit calls a process that nobody logged in for.
const NOBODY: u32 = u32::MAX;

/// The other end, before its names are looked up.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub uid: u32,
    pub gid: u32,
    pub pid: Option<i32>,
}

impl Peer {
    /// This process itself, for what is done without a daemon.
    pub fn own() -> Self {
        Self {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            pid: Some(rustix::process::getpid().as_raw_nonzero().get()),
        }
    }

    /// Who that is: behind `sudo` the one who logged in. Asks the system's databases, which may be slow.
    pub fn asker(&self, control: &ControlConfig) -> Asker {
        let login_uid = self
            .login()
            .filter(|uid| *uid != NOBODY && *uid != self.uid);
        let uid = login_uid.unwrap_or(self.uid);
        let roles = match login_uid {
            // Not those of the user that was changed to.
            Some(uid) => Self {
                uid,
                gid: u32::MAX,
                pid: None,
            }
            .roles(control),
            // Who sent it and is gone already cannot be told from whom he may be hiding behind.
            None if self.is_gone() => Vec::new(),
            None => self.roles(control),
        };
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let name = user.map_or_else(|| format!("uid {uid}"), |user| user.name);
        Asker {
            uid: self.uid,
            login_uid,
            name: crate::text::clean(&name).into_owned(),
            roles,
        }
    }

    /// Who logged in, as audit knows it.
    fn login(&self) -> Option<u32> {
        let text = std::fs::read_to_string(format!("/proc/{}/loginuid", self.pid?)).ok()?;
        text.trim().parse().ok()
    }

    /// Whether the process is not there any more, though this machine would tell who logged in.
    fn is_gone(&self) -> bool {
        self.pid.is_some() && self.login().is_none() && Peer::own().login().is_some()
    }

    /// Its roles. Asks the system's databases.
    fn roles(&self, control: &ControlConfig) -> Vec<Name> {
        if control.roles.is_empty() {
            return Vec::new();
        }
        let groups = self.groups();
        let has = |role: &&ControlRole| {
            role.users.contains(&self.uid) || role.groups.iter().any(|group| groups.contains(group))
        };
        let roles = control.roles.iter().filter(has);
        roles.map(|role| role.name.as_str().into()).collect()
    }

    /// Whether it may change something: root, the daemon's own user, and who has a role. Asks the system's databases.
    pub fn may_change(&self, control: &ControlConfig) -> bool {
        if self.uid == 0 || self.uid == rustix::process::geteuid().as_raw() {
            return true;
        }
        !self.is_gone() && !self.roles(control).is_empty()
    }

    fn groups(&self) -> Vec<u32> {
        let user = User::from_uid(Uid::from_raw(self.uid)).ok().flatten();
        let gid = match (self.gid, &user) {
            (u32::MAX, Some(user)) => user.gid.as_raw(),
            (gid, _) => gid,
        };
        let mut groups = vec![gid];
        let account = user.and_then(|user| std::ffi::CString::new(user.name).ok());
        if let Some(account) = account {
            let found = getgrouplist(&account, Gid::from_raw(gid)).unwrap_or_default();
            groups.extend(found.into_iter().map(Gid::as_raw));
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_the_own_user_and_roles_may() {
        let control = ControlConfig {
            roles: vec![ControlRole {
                name: "operators".into(),
                users: vec![70_001],
                groups: vec![70_002],
            }],
            ..ControlConfig::default()
        };
        let peer = |uid, gid| Peer {
            uid,
            gid,
            pid: None,
        };
        assert!(peer(0, 0).may_change(&control));
        assert!(Peer::own().may_change(&control));
        assert!(peer(70_001, 1).may_change(&control));
        assert!(peer(70_003, 70_002).may_change(&control));
        assert!(!peer(70_003, 70_001).may_change(&control));
        assert_eq!(
            peer(70_003, 70_002).asker(&control).roles,
            ["operators".into()]
        );
        assert!(peer(70_003, 1).asker(&control).roles.is_empty());
        assert!(!peer(70_001, 1).may_change(&ControlConfig::default()));
        assert_eq!(peer(70_003, 1).asker(&control).name, "uid 70003");
    }
}
