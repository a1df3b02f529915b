//! Users and groups: names to numbers, before anything is started.
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use std::ffi::CString;

use super::spec::Credentials;

/// Why a user or group cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("there is no user {0:?}")]
    NoUser(String),
    #[error("there is no group {0:?}")]
    NoGroup(String),
    #[error("cannot look up {name:?}: {source}")]
    Lookup { name: String, source: nix::Error },
}

/// A user as the system knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub credentials: Credentials,
    pub name: String,
    pub home: std::path::PathBuf,
}

/// Resolves a user (a name or a number), and the group to run as, if not the user's own. Asks the system's databases,
/// which may be slow: not for an async thread.
pub fn lookup_user(name: &str, group: Option<&str>) -> Result<Account, UserError> {
    let failed = |source| UserError::Lookup {
        name: name.to_owned(),
        source,
    };
    let user = match name.parse() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)),
        Err(_) => User::from_name(name),
    };
    let user = user
        .map_err(failed)?
        .ok_or_else(|| UserError::NoUser(name.to_owned()))?;
    let gid = group.map_or(Ok(user.gid), lookup_group)?;
    let account =
        CString::new(user.name.as_str()).map_err(|_| UserError::NoUser(name.to_owned()))?;
    let groups = getgrouplist(&account, gid).map_err(failed)?;
    let credentials = Credentials {
        uid: user.uid.as_raw(),
        gid: gid.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
    };
    Ok(Account {
        credentials,
        name: user.name,
        home: user.dir,
    })
}

/// Whether this is what we run as already, so that nothing need be changed. An unprivileged process may change nothing,
/// its supplementary groups included.
pub(super) fn is_own(user: &Credentials) -> bool {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    !uid.is_root() && uid.as_raw() == user.uid && gid.as_raw() == user.gid
}

fn lookup_group(name: &str) -> Result<Gid, UserError> {
    let group = match name.parse() {
        Ok(gid) => Group::from_gid(Gid::from_raw(gid)),
        Err(_) => Group::from_name(name),
    };
    let group = group.map_err(|source| UserError::Lookup {
        name: name.to_owned(),
        source,
    })?;
    group
        .map(|group| group.gid)
        .ok_or_else(|| UserError::NoGroup(name.to_owned()))
}
