//! Who is at the other end of the socket, as the kernel says it, and what they may do.

use nix::unistd::{Gid, Uid, User, getgrouplist};

use crate::config::ControlConfig;
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
    pub fn asker(&self) -> Asker {
        let login_uid = self
            .pid
            .and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/loginuid")).ok())
            .and_then(|text| text.trim().parse().ok())
            .filter(|uid| *uid != NOBODY && *uid != self.uid);
        let uid = login_uid.unwrap_or(self.uid);
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let name = user.map_or_else(|| format!("uid {uid}"), |user| user.name);
        Asker {
            uid: self.uid,
            login_uid,
            name: crate::text::clean(&name).into_owned(),
        }
    }

    /// Whether it may change something: root, the daemon's own user, and who has a role. Asks the system's databases.
    pub fn may_change(&self, control: &ControlConfig) -> bool {
        if self.uid == 0 || self.uid == rustix::process::geteuid().as_raw() {
            return true;
        }
        let mut roles = control.roles.iter();
        if roles.clone().any(|role| role.users.contains(&self.uid)) {
            return true;
        }
        let groups = self.groups();
        roles.any(|role| role.groups.iter().any(|group| groups.contains(group)))
    }

    fn groups(&self) -> Vec<u32> {
        let mut groups = vec![self.gid];
        let user = User::from_uid(Uid::from_raw(self.uid)).ok().flatten();
        let account = user.and_then(|user| std::ffi::CString::new(user.name).ok());
        if let Some(account) = account {
            let found = getgrouplist(&account, Gid::from_raw(self.gid)).unwrap_or_default();
            groups.extend(found.into_iter().map(Gid::as_raw));
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ControlRole;

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
        assert!(!peer(70_001, 1).may_change(&ControlConfig::default()));
        assert_eq!(peer(70_003, 1).asker().name, "uid 70003");
    }
}
