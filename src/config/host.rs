//! `[host.N]`: other machines, and where something is to run.

use std::path::{Path, PathBuf};

use jiff::SignedDuration;

use super::command::SECOND;
use super::keys;
use super::reading::Reading;
use super::tree::{Field, Fields, Item};
use super::{Place, Purpose};
use crate::core::policy::{Host, LOCAL, Name};

/// Hosts of one job.
const MOST: usize = 10_000;
/// Words in front of a command.
const MOST_WORDS: usize = 16;

impl<'a> Reading<'a> {
    pub fn host(&mut self, field: Field<'a>) -> Option<Host> {
        let fields = self.entry("host", field, keys::HOST)?;
        if field.key == LOCAL {
            self.problems
                .error(field.place, "no host can be called `local`")
                .hint("it stands for the machine that offhours runs on");
        }
        let line = |reading: &mut Self, key| {
            let item = fields.get(key)?;
            Some((reading.line(item)?.to_owned(), item))
        };
        let ssh = line(self, "ssh");
        let (ssh, place) = match ssh {
            Some((ssh, item)) => (ssh, item.place),
            None => (field.key.to_owned(), field.place),
        };
        let port = fields
            .get("port")
            .and_then(|item| self.integer(item, 1..=i64::from(u16::MAX)))
            .and_then(|port| u16::try_from(port).ok());
        let jump = line(self, "jump").map(|(jump, _)| jump);
        let identity = self.ssh_file(&fields, "identity");
        let known_hosts = self.ssh_file(&fields, "known_hosts");
        let ssh_config = self.ssh_file(&fields, "ssh_config");
        let host = Host {
            ssh,
            port,
            jump,
            identity,
            known_hosts,
            ssh_config,
            connect_timeout: self.duration_or(
                &fields,
                "connect_timeout",
                SECOND,
                SignedDuration::from_secs(10),
            ),
            alive_interval: self.duration_or(
                &fields,
                "alive_interval",
                SECOND,
                SignedDuration::from_secs(15),
            ),
            groups: self.labels(&fields, "groups"),
            labels: self.labels(&fields, "labels"),
            window: fields
                .get("window")
                .and_then(|item| self.existing(item, "window")),
            r#become: self.becomes(&fields),
            locks: self.host_locks(&fields),
            name: self.name(field.key),
        };
        self.places_of(&fields, place, &host);
        Some(host)
    }

    /// What `ssh` is to be given: each that cannot be used, at its place.
    fn places_of(&mut self, fields: &Fields<'a>, place: Place, host: &Host) {
        const LETTERS: &str = "letters, digits and `.`, `_`, `-`, `+`, `@`, `:` only";
        if refused_place(&host.ssh, None, None, &[]).is_some() {
            let message = "this is no destination of SSH";
            self.problems.error(place, message).hint(LETTERS);
        } else if let Some((name, port)) = with_port(&host.ssh) {
            self.problems
                .error(place, "a port is no part of the destination")
                .hint(format!("ssh = \"{name}\", and port = {port}"));
        }
        if refused_place("host", host.jump.as_deref(), None, &[]).is_some() {
            let message = "this is no way to jump: USER@HOST:PORT, several with commas";
            self.problems
                .error(fields.place_of("jump"), message)
                .hint(LETTERS);
        }
        let files = [
            ("identity", &host.identity),
            ("known_hosts", &host.known_hosts),
            ("ssh_config", &host.ssh_config),
        ];
        for (key, path) in files {
            let Some(file) = path else { continue };
            if refused_place("host", None, None, &[path]).is_some() {
                self.problems
                    .error(fields.place_of(key), "ssh cannot be given this path")
                    .hint("without quotes, wildcards, `$` and braces");
            } else if self.purpose == Purpose::Check && file.is_absolute() && !file.exists() {
                let message = format!("there is no file {}", file.display());
                self.problems.warning(fields.place_of(key), message);
            }
        }
    }

    /// A path for ssh: relative ones are beside the file, `~/` is left to ssh.
    fn ssh_file(&mut self, fields: &Fields<'a>, key: &str) -> Option<PathBuf> {
        let item = fields.get(key)?;
        let text = self.line(item)?;
        if text.starts_with("~/") {
            return Some(text.into());
        }
        Some(self.folder.join(text))
    }

    /// `become = "sudo -n"`, or its words.
    fn becomes(&mut self, fields: &Fields<'a>) -> Vec<String> {
        let Some(item) = fields.get("become") else {
            return Vec::new();
        };
        let words: Vec<String> = match item.value.as_str() {
            Some(text) => text.split_ascii_whitespace().map(str::to_owned).collect(),
            None => {
                let words = self.lines(item).into_iter();
                words.map(|(word, _)| word.to_owned()).collect()
            }
        };
        if words.len() > MOST_WORDS || words.first().is_some_and(|word| word.starts_with('-')) {
            self.problems
                .error(item.place, "this is no command to become somebody else")
                .hint(r#"become = "sudo -n""#);
        }
        words
    }

    /// Locks on the host, beside those of the jobs: files by name, or absolute paths.
    fn host_locks(&mut self, fields: &Fields<'a>) -> Vec<String> {
        let Some(item) = fields.get("host_locks") else {
            return Vec::new();
        };
        let mut locks = Vec::new();
        for (text, item) in self.lines(item) {
            let fine = match text.strip_prefix('/') {
                Some(path) => !path.is_empty() && !text.ends_with('/'),
                None => super::reading::wrong_name(text).is_none(),
            };
            if fine {
                locks.push(text.to_owned());
            } else {
                self.problems
                    .error(item.place, format!("`{text}` is no lock file"))
                    .hint("a name, or an absolute path such as /run/lock/app.lock");
            }
        }
        if locks.len() > MOST_LOCKS {
            let message = format!("more than {MOST_LOCKS} locks on a host");
            self.problems.error(item.place, message);
        }
        locks
    }

    /// `hosts`: names and `@groups`, in their order, each host once; without it this machine.
    pub fn hosts(&mut self, fields: &Fields<'a>) -> Vec<Name> {
        match fields.get("hosts") {
            Some(item) => self.listed_hosts(item),
            None => vec![self.name(LOCAL)],
        }
    }

    /// Names and `@groups`; this machine where the list is empty, which is told.
    pub fn listed_hosts(&mut self, item: Item<'a>) -> Vec<Name> {
        let mut hosts: Vec<Name> = Vec::new();
        let mut known = std::collections::HashSet::new();
        for (text, item) in self.lines(item) {
            let found = match text.strip_prefix('@') {
                Some(group) => self.group(group, item),
                None if text == LOCAL => vec![self.name(LOCAL)],
                None => self.existing(item, "host").into_iter().collect(),
            };
            hosts.extend(found.into_iter().filter(|host| known.insert(host.clone())));
        }
        if hosts.len() > MOST {
            self.problems
                .error(item.place, format!("more than {MOST} hosts"));
        }
        if hosts.is_empty() {
            // What is wrong with it was told, or it is empty.
            if self.array_is_empty(item) {
                self.problems
                    .error(item.place, "there are no hosts in it")
                    .hint(r#"leave it out, or name some: ["local"]"#);
            }
            hosts.push(self.name(LOCAL));
        }
        hosts
    }

    fn array_is_empty(&self, item: Item<'a>) -> bool {
        item.value.as_array().is_some_and(|array| array.is_empty())
    }

    fn group(&mut self, group: &str, item: Item<'a>) -> Vec<Name> {
        let members = self.groups().get(group).cloned().unwrap_or_default();
        if members.is_empty() && self.document.complete {
            let groups: Vec<String> = self.groups().keys().cloned().collect();
            let near = keys::nearest(group, groups.iter().map(String::as_str));
            let near = near.filter(|near| !near.is_empty());
            let hint = near.map(|near| format!("did you mean `@{near}`?"));
            self.problems
                .error(item.place, format!("no host is in the group `{group}`"))
                .maybe_hint(hint.or(Some(format!("[host.NAME]\ngroups = [\"{group}\"]"))));
        }
        members
    }
}

/// Locks of one host: those of a job come to them.
const MOST_LOCKS: usize = 5;

/// Bytes of a destination.
const LONGEST_PLACE: usize = 255;
/// Bytes of a path.
const LONGEST_PATH: usize = 1024;

/// What of a destination would be more to ssh, or to a shell, than it is meant to be; none where all is fine.
pub fn refused_place(
    ssh: &str,
    jump: Option<&str>,
    port: Option<u16>,
    paths: &[&Option<PathBuf>],
) -> Option<&'static str> {
    if !is_place(ssh) {
        return Some("the SSH destination");
    }
    let jumps = |jump: &str| jump.len() <= LONGEST_PLACE && jump.split(',').all(is_place);
    if !jump.is_none_or(jumps) {
        return Some("the jump host");
    }
    if port == Some(0) {
        return Some("port 0");
    }
    let fine = paths.iter().filter_map(|path| path.as_deref()).all(is_path);
    (!fine).then_some("a path")
}

/// Name and port where both are in one word, as `ssh` does not take them. An IPv6 address has more colons.
fn with_port(ssh: &str) -> Option<(&str, &str)> {
    let (name, port) = ssh.split_once(':')?;
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    digits.then_some((name, port))
}

/// `[user@]host[:port]`, of letters that mean nothing to a shell: `ssh` puts them into the commands of a configuration.
fn is_place(place: &str) -> bool {
    let (user, host) = place.rsplit_once('@').unwrap_or(("root", place));
    let fine = |text: &str, marks: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
        !text.is_empty() && !text.starts_with('-') && text.chars().all(plain)
    };
    place.len() <= LONGEST_PLACE && fine(user, "._-+@") && fine(host, "._-:[]%")
}

/// Absolute or in the home, and nothing that a configuration of `ssh` would take for more than a path.
fn is_path(path: &Path) -> bool {
    let Some(text) = path.to_str() else {
        return false;
    };
    let special = |c: char| c.is_control() || "\"\\*?[]{}$".contains(c);
    text.len() <= LONGEST_PATH
        && (text.starts_with('/') || text.starts_with("~/"))
        && !text.contains(special)
}
