//! How mail leaves this machine.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

/// The whole of `[mail]`, resolved.
#[derive(Clone, Debug)]
pub struct MailSettings {
    pub transport: Transport,
    /// Sender, `"Operations <ops@example.org>"` or a bare address.
    pub from: String,
    /// Bound of one whole delivery: name lookup, connection, TLS, login, message, answer.
    pub timeout: Duration,
    /// PEM file with further root certificates, for private authorities.
    pub ca_file: Option<PathBuf>,
}

impl MailSettings {
    /// Bound of one delivery where nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(60);
}

/// Where a letter is handed over.
#[derive(Clone, Debug)]
pub enum Transport {
    Smtp(SmtpSettings),
    /// A sendmail-compatible program, given the message on its standard input.
    Sendmail {
        program: PathBuf,
    },
    /// One `.eml` file a notice in this folder, which must exist.
    File {
        dir: PathBuf,
    },
}

/// Mail servers that do the same, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    pub hosts: Vec<MailHost>,
    pub tls: Tls,
    pub username: Option<String>,
    pub password: Option<SecretString>,
}

/// Where one mail server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailHost {
    /// Name or address; an IPv6 address with or without brackets.
    pub name: String,
    pub port: u16,
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Required: a server that does not offer it is not spoken to any further.
    #[default]
    StartTls,
    Implicit,
    None,
}
