//! Where a host is, and the configuration that `ssh` is given for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Unreachable;
use super::unreachable::quote;
use crate::config::refused_place;
use crate::core::policy::Host;

/// Bytes of a name.
const LONGEST_NAME: usize = 255;

/// An SSH destination. It is checked when it is used ([`Destination::check`]): nothing of it becomes an option of
/// `ssh` or text of a shell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// What the host is called here.
    pub name: String,
    /// `user@host`, or an alias of `~/.ssh/config`.
    pub ssh: String,
    pub port: Option<u16>,
    /// The only key that is tried, also on the way there. `~/` is the user's home, as for `ssh`.
    pub identity: Option<PathBuf>,
    /// `user@host:port`, several with commas: how to get there.
    pub jump: Option<String>,
    /// Instead of `~/.ssh/known_hosts`, also on the way there.
    pub known_hosts: Option<PathBuf>,
    /// Instead of `~/.ssh/config` and `/etc/ssh/ssh_config`.
    pub config_file: Option<PathBuf>,
    /// For one address of the host; whole seconds count, at least one. 5 s more are granted for getting in.
    pub connect_timeout: Duration,
    /// A connection that is silent for three of these is broken; whole seconds count, at least one.
    pub alive_interval: Duration,
}

impl From<&Host> for Destination {
    fn from(host: &Host) -> Self {
        let time = |time| Duration::try_from(time).unwrap_or_default();
        Self {
            name: host.name.to_string(),
            ssh: host.ssh.clone(),
            port: host.port,
            identity: host.identity.clone(),
            jump: host.jump.clone(),
            known_hosts: host.known_hosts.clone(),
            config_file: host.ssh_config.clone(),
            connect_timeout: time(host.connect_timeout),
            alive_interval: time(host.alive_interval),
        }
    }
}

impl Destination {
    /// With the defaults of `ssh`, 10 s to connect and 15 s between signs of life.
    pub fn new(name: &str, ssh: &str) -> Self {
        Self {
            name: name.to_owned(),
            ssh: ssh.to_owned(),
            port: None,
            identity: None,
            jump: None,
            known_hosts: None,
            config_file: None,
            connect_timeout: Duration::from_secs(10),
            alive_interval: Duration::from_secs(15),
        }
    }

    /// Refuses what is no destination. The line that says so repeats nothing that could do harm.
    pub fn check(&self) -> Result<(), Unreachable> {
        let harmful = |c: char| c.is_whitespace() || crate::text::is_harmful(c);
        let name = &self.name;
        if name.is_empty()
            || name.len() > LONGEST_NAME
            || name.starts_with('-')
            || name.contains(harmful)
        {
            return Err(Unreachable::new("the name of the host is refused"));
        }
        let paths = [&self.identity, &self.known_hosts, &self.config_file];
        let refused = refused_place(&self.ssh, self.jump.as_deref(), self.port, &paths);
        match refused {
            Some(what) => Err(Unreachable::new(&format!("{what} of {name} is refused"))),
            None => Ok(()),
        }
    }

    /// The configuration for this host. The first value of a setting counts, so that what the user's files say comes
    /// last; unlike options it also holds on the way there.
    pub(super) fn configuration(&self) -> String {
        let mut text = String::from(
            "IgnoreUnknown RemoteCommand\n\
             LogLevel ERROR\n\
             BatchMode yes\n\
             StrictHostKeyChecking yes\n\
             ConnectionAttempts 1\n\
             ServerAliveCountMax 3\n\
             ClearAllForwardings yes\n\
             ForwardAgent no\n\
             ForwardX11 no\n\
             PermitLocalCommand no\n\
             RequestTTY no\n\
             RemoteCommand none\n",
        );
        if self.identity.is_some() {
            text.push_str("IdentitiesOnly yes\n");
        }
        let mut set = |key: &str, path: &Path| {
            text.push_str(&format!("{key} \"{}\"\n", path.display()));
        };
        if let Some(path) = &self.identity {
            set("IdentityFile", path);
        }
        if let Some(path) = &self.known_hosts {
            set("UserKnownHostsFile", path);
        }
        if let Some(path) = &self.config_file {
            set("Include", path);
        } else {
            set("Include", Path::new("~/.ssh/config"));
            set("Include", Path::new("/etc/ssh/ssh_config"));
        }
        text
    }

    /// How a person gets as far as the first host on the way.
    pub(super) fn by_hand_to(&self, jump: &str) -> String {
        let (ssh, port) = match jump.rsplit_once(':') {
            Some((ssh, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
                (ssh, port.parse().ok())
            }
            _ => (jump, None),
        };
        let first = Self {
            ssh: ssh.to_owned(),
            port,
            jump: None,
            ..self.clone()
        };
        format!("{} true", first.by_hand())
    }

    /// How a person gets there.
    pub(super) fn by_hand(&self) -> String {
        let mut words = vec!["ssh".to_owned()];
        if let Some(port) = self.port {
            words.push(format!("-p {port}"));
        }
        if let Some(path) = &self.config_file {
            words.push(format!("-F {}", quote(path)));
        }
        if let Some(path) = &self.known_hosts {
            words.push(format!("-o UserKnownHostsFile={}", quote(path)));
        }
        if let Some(jump) = &self.jump {
            words.push(format!("-J {jump}"));
        }
        words.push(self.ssh.clone());
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(ssh: &str) -> Destination {
        Destination::new("web1", ssh)
    }

    #[test]
    fn ordinary_destinations_are_taken() {
        for ssh in [
            "web1",
            "deploy@web1.example.org",
            "a.b@::1",
            "u@fe80::1%eth0",
            "some_alias",
            "me@corp.example@web1",
        ] {
            assert_eq!(to(ssh).check(), Ok(()), "{ssh}");
        }
        let mut jumping = to("web1");
        jumping.jump = Some("a@gate:2222,second".into());
        assert_eq!(jumping.check(), Ok(()));
    }

    #[test]
    fn nothing_becomes_an_option_or_text_of_a_shell() {
        for ssh in [
            "",
            "-oProxyCommand=id",
            "u@-oProxyCommand=id",
            "-l@web1",
            "web1 id",
            "web1\n",
            "web\u{7}",
            "`id`",
            "$(id)@web1",
            "a;b",
            "a|b",
            "@web1",
            "web1@",
            "ssh://web1",
            "web\u{202e}1",
        ] {
            assert!(to(ssh).check().is_err(), "{ssh}");
        }
        for name in ["", "-x", "a b", "a\u{1b}[0m"] {
            assert!(Destination::new(name, "web1").check().is_err(), "{name}");
        }
        for jump in ["", "a,", "-oX=1", "a b", "a,$(id)"] {
            let mut jumping = to("web1");
            jumping.jump = Some(jump.into());
            assert!(jumping.check().is_err(), "{jump}");
        }
        for path in ["", "key", "/a\"b", "/a\nProxyCommand id", "/$HOME", "/a*"] {
            let mut keyed = to("web1");
            keyed.identity = Some(path.into());
            assert!(keyed.check().is_err(), "{path}");
        }
    }
}
