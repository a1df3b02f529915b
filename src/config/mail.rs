//! `[mail]`: how mail leaves.

use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use secrecy::SecretString;

use super::Purpose;
use super::command::{MINUTE, SECOND};
use super::programs::Program;
use super::reading::Reading;
use super::tree::{Fields, Item};

/// More would have no time of their own within one delivery.
const MOST_HOSTS: usize = 8;
/// Where systems have the program that takes mail.
const SENDMAIL: &str = "/usr/sbin/sendmail";

/// How mail leaves.
#[derive(Debug)]
pub struct MailConfig {
    pub way: Way,
    /// One mailbox, with a name or without.
    pub from: String,
    pub timeout: SignedDuration,
    /// Whether whole messages are logged.
    pub log_payload: bool,
}

/// The transport, with what belongs to it.
#[derive(Debug)]
pub enum Way {
    Smtp(SmtpConfig),
    Sendmail { program: PathBuf },
    File { dir: PathBuf },
}

/// Mail servers that do the same.
#[derive(Debug)]
pub struct SmtpConfig {
    /// In the order in which they are tried; never empty.
    pub hosts: Vec<Host>,
    pub tls: Tls,
    pub username: Option<String>,
    /// Not read by commands that send nothing.
    pub password: Option<SecretString>,
    /// Certificates that are trusted beside those of the system.
    pub ca_file: Option<PathBuf>,
}

/// Where a mail server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// A name or an address, without brackets.
    pub name: String,
    pub port: u16,
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    None,
    Starttls,
    Implicit,
}

impl<'a> Reading<'a> {
    pub(super) fn mail(&mut self, fields: &Fields<'a>, state_dir: &Path) -> Option<MailConfig> {
        let smtp = self.smtp(fields);
        let timeout = self.duration_or(fields, "timeout", SECOND, MINUTE);
        let dir = self.path_or(Some(fields), "dir", state_dir.join("mail"));
        let program = self.path_or(Some(fields), "program", PathBuf::from(SENDMAIL));
        let from = fields
            .get("from")
            .and_then(|item| self.mailbox(item))
            .map(|mailbox| mailbox.to_string());
        let log_payload = fields
            .get("log_payload")
            .filter(|item| self.boolean(*item) == Some(true));
        if let Some(item) = log_payload {
            self.problems
                .warning(
                    item.place,
                    "whole mails are written into the log, addresses and all",
                )
                .hint("for looking for a fault; leave it out afterwards");
        }
        let log_payload = log_payload.is_some();
        let Some(transport) = fields.get("transport") else {
            self.missing(fields, "[mail]", "transport");
            return None;
        };
        if !fields.has("from") {
            self.missing(fields, "[mail]", "from");
        }
        let way = match self.text(transport)? {
            "file" => Way::File { dir },
            "smtp" => {
                if !fields.has("host") {
                    self.missing(fields, "transport = \"smtp\"", "host");
                }
                let password = self.password(fields, smtp.tls);
                self.certificates(fields, smtp.ca_file.as_deref());
                Way::Smtp(SmtpConfig { password, ..smtp })
            }
            "sendmail" => {
                let item = fields.get("program").unwrap_or(transport);
                self.program(item, &program);
                Way::Sendmail { program }
            }
            other => {
                self.problems
                    .error(transport.place, format!("there is no transport `{other}`"))
                    .hint("one of \"smtp\", \"sendmail\", \"file\"");
                return None;
            }
        };
        // What is missing of it was told.
        let usable = !matches!(&way, Way::Smtp(smtp) if smtp.hosts.is_empty());
        usable.then_some(())?;
        Some(MailConfig {
            way,
            from: from?,
            timeout,
            log_payload,
        })
    }

    /// What is said about mail servers, without the secret.
    fn smtp(&mut self, fields: &Fields<'a>) -> SmtpConfig {
        let tls = [
            ("starttls", Tls::Starttls),
            ("implicit", Tls::Implicit),
            ("none", Tls::None),
        ];
        let tls_item = fields.get("tls");
        let tls = tls_item
            .and_then(|item| self.choice(item, &tls))
            .unwrap_or(Tls::Starttls);
        let port = fields
            .get("port")
            .and_then(|item| self.integer(item, 1..=65_535))
            .and_then(|port| u16::try_from(port).ok());
        let port = port.unwrap_or(match tls {
            Tls::Starttls => 587,
            Tls::Implicit => 465,
            Tls::None => 25,
        });
        SmtpConfig {
            hosts: fields
                .get("host")
                .map(|item| self.mail_hosts(item, port))
                .unwrap_or_default(),
            tls,
            username: fields
                .get("username")
                .and_then(|item| self.line(item))
                .map(str::to_owned),
            password: None,
            ca_file: fields
                .get("ca_file")
                .and_then(|item| self.line(item))
                .map(|text| self.folder.join(text)),
        }
    }

    /// One mail server or several, each with its port or without.
    fn mail_hosts(&mut self, item: Item<'a>, port: u16) -> Vec<Host> {
        let named: Vec<(&str, Item<'a>)> = match item.value.as_str() {
            Some(_) => self
                .line(item)
                .map(|text| (text, item))
                .into_iter()
                .collect(),
            None if item.value.as_array().is_some() => self.lines(item),
            None => {
                self.mismatch(item, "a string or an array of strings");
                return Vec::new();
            }
        };
        if item.value.as_array().is_some_and(|array| array.is_empty()) {
            self.problems
                .error(item.place, "`host` names no mail server");
        }
        if named.len() > MOST_HOSTS {
            self.problems
                .error(item.place, format!("more than {MOST_HOSTS} mail servers"));
        }
        let mut hosts: Vec<Host> = Vec::new();
        for (text, item) in named {
            match host(text, port) {
                Some(host) if hosts.contains(&host) => {
                    self.problems
                        .error(item.place, format!("`{text}` is named twice"));
                }
                Some(host) => hosts.push(host),
                None => {
                    self.problems
                        .error(
                            item.place,
                            format!(
                                "`{text}` is neither the name nor the address of a mail server"
                            ),
                        )
                        .hint(
                            r#"such as "mail.example.org", "mail.example.org:2525" or "[::1]:25""#,
                        );
                }
            }
        }
        hosts
    }

    /// Whoever can write the program can read the mail, and does what this user can.
    fn program(&mut self, item: Item<'a>, path: &Path) {
        if self.purpose == Purpose::Read {
            return;
        }
        let folder = self.folder.clone();
        let shown = path.to_string_lossy();
        match self.programs.find(&shown, &folder, "") {
            Program::At(path) => {
                if let Some((message, hint)) =
                    self.programs.distrusted(&path, None, &mut self.trust)
                {
                    self.problems
                        .error(item.place, format!("this program is not used: {message}"))
                        .maybe_hint(hint);
                }
            }
            Program::NotExecutable(path) => {
                let message = format!("{} cannot be executed", path.display());
                self.by_circumstance(item.place, message)
                    .hint(format!("chmod +x {}", path.display()));
            }
            Program::Missing(_) | Program::NotInPath | Program::InPath => {
                let message = format!("there is no program {shown}");
                self.by_circumstance(item.place, message).hint(
                    "install a mail system that has it, name its `program`, or use transport = \"smtp\"",
                );
            }
        }
    }

    /// Whoever can write the file with the certificates can read what is sent.
    pub(super) fn certificates(&mut self, fields: &Fields<'a>, path: Option<&Path>) {
        let Some(path) = path.filter(|_| self.purpose != Purpose::Read) else {
            return;
        };
        let place = fields.place_of("ca_file");
        match self.trust.resolve(path, None) {
            Ok((_, meta)) if meta.is_file() => {}
            Ok((path, _)) => {
                self.problems
                    .error(place, format!("{} is not a regular file", path.display()));
            }
            Err(error) => {
                self.problems
                    .error(place, error.to_string())
                    .maybe_hint(error.hint());
            }
        }
    }

    fn password(&mut self, fields: &Fields<'a>, tls: Tls) -> Option<SecretString> {
        match (fields.get("username"), fields.get("password_file")) {
            (None, None) => None,
            (Some(_), None) => {
                self.problems.error(
                    fields.place_of("username"),
                    "`username` needs `password_file`",
                );
                None
            }
            (None, Some(_)) => {
                self.problems.error(
                    fields.place_of("password_file"),
                    "`password_file` needs `username`",
                );
                None
            }
            (Some(_), Some(file)) => {
                if tls == Tls::None {
                    self.problems
                        .warning(fields.place_of("tls"), "the password is sent in the clear");
                }
                self.secret(file)
            }
        }
    }
}

/// A name or an address, with a port or without; brackets only around an IPv6 address.
fn host(text: &str, port: u16) -> Option<Host> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            (address, number(after, port)?)
        }
        None if text.parse::<IpAddr>().is_ok() => (text, port),
        None => match text.find(':') {
            Some(colon) => (&text[..colon], number(&text[colon..], port)?),
            None => (text, port),
        },
    };
    let usable = name.parse::<IpAddr>().is_ok()
        || !name.is_empty()
            && name.len() <= 253
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    usable.then(|| Host {
        name: name.to_owned(),
        port,
    })
}

/// `:2525`, or nothing for the usual one.
fn number(after: &str, usual: u16) -> Option<u16> {
    if after.is_empty() {
        return Some(usual);
    }
    let digits = after.strip_prefix(':')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn hosts_with_ports_and_without() {
        for (text, name, port) in [
            ("mail.example.org", "mail.example.org", 587),
            ("mail.example.org:2525", "mail.example.org", 2525),
            ("192.0.2.1", "192.0.2.1", 587),
            ("192.0.2.1:25", "192.0.2.1", 25),
            ("::1", "::1", 587),
            ("2001:db8::1", "2001:db8::1", 587),
            ("[2001:db8::1]", "2001:db8::1", 587),
            ("[::1]:25", "::1", 25),
        ] {
            let host = host(text, 587).expect(text);
            assert_eq!((host.name.as_str(), host.port), (name, port), "{text}");
        }
        for text in [
            "",
            ":25",
            "mail:",
            "mail:0",
            "mail:65536",
            "mail:+25",
            "mail:25:26",
            "[::1",
            "[]",
            "[mail]",
            "[::1]25",
            "[::1]:",
            "[127.0.0.1]:25",
            "a b",
            "smtp://mail",
            "mail/",
            "m\u{e4}il",
        ] {
            assert!(host(text, 587).is_none(), "{text:?}");
        }
    }
}
