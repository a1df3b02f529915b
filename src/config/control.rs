//! `[control]`: who may ask a live daemon for something, and who may change something.

use std::path::{Path, PathBuf};

use super::Purpose;
use super::reading::Reading;
use super::tree::{Fields, Item};

/// The control socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlConfig {
    pub socket: PathBuf,
    /// Whose members can open the socket beside its owner.
    pub group: Option<u32>,
    /// Who may change something beside root and the daemon's own user.
    pub roles: Vec<ControlRole>,
}

/// Some people, by what the system knows of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRole {
    pub name: String,
    pub users: Vec<u32>,
    pub groups: Vec<u32>,
}

impl<'a> Reading<'a> {
    pub(super) fn control(&mut self, socket: PathBuf, state_dir: &Path) -> ControlConfig {
        let fields = self.document.section("control").cloned();
        let get = |key| fields.as_ref().and_then(|fields| fields.get(key));
        let set = |item: &Item<'_>| item.value.as_str() != Some("");
        let group = get("group")
            .filter(set)
            .and_then(|item| self.group_id(item));
        let roles = get("roles").map(|item| self.control_roles(item));
        let roles = roles.unwrap_or_default();
        if let (Some(item), None) = (get("roles"), group)
            && !roles.is_empty()
            && get("group").is_none()
        {
            self.problems
                .error(item.place, "`roles` needs `group`")
                .hint("group = \"GROUP\": whose members can open the socket at all");
        }
        if let (Some(item), Some(_)) = (get("group"), group)
            && socket.starts_with(state_dir)
        {
            self.problems
                .error(
                    item.place,
                    "the control socket lies in the state folder, which nobody else may enter",
                )
                .hint("socket = \"/run/offhours/control.sock\"");
        }
        ControlConfig {
            socket,
            group,
            roles,
        }
    }

    fn control_roles(&mut self, item: Item<'a>) -> Vec<ControlRole> {
        let Some(table) = item.value.as_table() else {
            self.mismatch(item, "a table of roles");
            return Vec::new();
        };
        let mut roles = Vec::new();
        for field in Fields::of(table, item.place).list {
            let mut role = ControlRole {
                name: field.key.to_owned(),
                users: Vec::new(),
                groups: Vec::new(),
            };
            for (text, item) in self.lines(field.item) {
                match text.strip_prefix('@') {
                    Some(group) => role.groups.extend(self.group_named(group, item)),
                    None => role.users.extend(self.user_named(text, item)),
                }
            }
            roles.push(role);
        }
        roles
    }

    fn group_id(&mut self, item: Item<'a>) -> Option<u32> {
        let name = self.line(item)?;
        self.group_named(name, item)
    }

    fn group_named(&mut self, name: &str, item: Item<'a>) -> Option<u32> {
        let known = nix::unistd::Group::from_name(name).ok().flatten();
        let id = known.map(|group| group.gid.as_raw());
        let id = id.or_else(|| name.parse().ok());
        self.unknown_here(id, format!("there is no group `{name}` here"), item)
    }

    fn user_named(&mut self, name: &str, item: Item<'a>) -> Option<u32> {
        let id = self.programs.user(name);
        self.unknown_here(id, format!("there is no user `{name}` here"), item)
    }

    /// A file may be checked where its people are not known.
    fn unknown_here(&mut self, id: Option<u32>, text: String, item: Item<'a>) -> Option<u32> {
        if id.is_none() {
            match self.purpose {
                Purpose::Run => self.problems.error(item.place, text),
                _ => self.problems.warning(item.place, text),
            };
        }
        id
    }
}
