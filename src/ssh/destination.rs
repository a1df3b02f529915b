//! Where a host is, and the configuration that `ssh` is given for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Unreachable;
use super::unreachable::quote;

/// Bytes of a name.
const LONGEST_NAME: usize = 255;
/// Bytes of a path.
const LONGEST_PATH: usize = 1024;

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
        let refused = |what: &str| Err(Unreachable::new(&format!("{what} is refused")));
        let harmful = |c: char| c.is_whitespace() || crate::text::is_harmful(c);
        if self.name.is_empty()
            || self.name.len() > LONGEST_NAME
            || self.name.starts_with('-')
            || self.name.contains(harmful)
        {
            return refused("the name of the host");
        }
        if !is_place(&self.ssh) {
            return refused(&format!("the SSH destination of {}", self.name));
        }
        if let Some(jump) = &self.jump
            && (jump.len() > LONGEST_NAME || !jump.split(',').all(is_place))
        {
            return refused(&format!("the jump host of {}", self.name));
        }
        if self.port == Some(0) {
            return refused(&format!("port 0 of {}", self.name));
        }
        let paths = [&self.identity, &self.known_hosts, &self.config_file];
        if !paths.into_iter().flatten().all(|path| is_path(path)) {
            return refused(&format!("a path of {}", self.name));
        }
        Ok(())
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

/// `[user@]host[:port]`, of letters that mean nothing to a shell: `ssh` puts them into the commands of a configuration.
fn is_place(place: &str) -> bool {
    let (user, host) = place.rsplit_once('@').unwrap_or(("root", place));
    let fine = |text: &str, marks: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
        !text.is_empty() && !text.starts_with('-') && text.chars().all(plain)
    };
    place.len() <= LONGEST_NAME && fine(user, "._-+@") && fine(host, "._-:[]%")
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
