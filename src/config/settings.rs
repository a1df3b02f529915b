//! Settings of the shell: where state, socket, mail server and listeners are.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};

use super::Purpose;
use super::command::{MINUTE, SECOND};
use super::ping::PingConfig;
use super::reading::Reading;
use super::tree::{Fields, Item};

const LARGEST_SECRET: u64 = 64 * 1024;
/// The kernel's bound on the path of a socket, without the byte that ends it.
const LONGEST_SOCKET: usize = 107;

/// What decisions do not depend on.
#[derive(Debug)]
pub struct Settings {
    /// The main file, absolute.
    pub file: PathBuf,
    /// The folder it is in.
    pub folder: PathBuf,
    pub state_dir: PathBuf,
    pub control_socket: PathBuf,
    pub mail: Option<MailConfig>,
    pub http: Option<HttpConfig>,
    pub ping: PingConfig,
}

/// How mail leaves.
#[derive(Debug)]
pub enum MailConfig {
    Smtp {
        host: String,
        port: u16,
        tls: Tls,
        username: Option<String>,
        /// Not read by commands that send nothing.
        password: Option<SecretString>,
        /// Certificates that are trusted beside those of the system.
        ca_file: Option<PathBuf>,
        timeout: SignedDuration,
        /// One mailbox, with a name or without.
        from: String,
    },
    File {
        dir: PathBuf,
        from: String,
    },
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    None,
    Starttls,
    Implicit,
}

/// Where the page is served.
#[derive(Debug)]
pub struct HttpConfig {
    /// Never empty.
    pub listen: Vec<SocketAddr>,
    /// Names accepted in the Host header beside the addresses.
    pub hosts: Vec<String>,
    pub token: Option<SecretString>,
    /// Who has this sees all of the calendar, and nothing else: it is in an address, which is easily shown to others.
    pub calendar_token: Option<SecretString>,
}

impl<'a> Reading<'a> {
    fn path_or(&mut self, fields: Option<&Fields<'a>>, key: &str, default: PathBuf) -> PathBuf {
        let item = fields.and_then(|fields| fields.get(key));
        let text = item.and_then(|item| self.line(item));
        text.map_or(default, |text| self.folder.join(text))
    }

    pub fn settings(&mut self, file: PathBuf) -> Settings {
        let section = |name: &str| self.document.section(name).cloned();
        let (state, control, mail, http) = (
            section("state"),
            section("control"),
            section("mail"),
            section("http"),
        );
        // systemd gives several folders separated by colons; the first is the one the unit names first.
        let given = self
            .env
            .get("STATE_DIRECTORY")
            .and_then(|dirs| dirs.split(':').next());
        let default = given.map_or_else(|| self.folder.join("state"), PathBuf::from);
        let state_dir = self.path_or(state.as_ref(), "dir", default);
        let runtime = self
            .env
            .get("RUNTIME_DIRECTORY")
            .and_then(|dirs| dirs.split(':').next());
        let default = runtime
            .map_or(state_dir.as_path(), Path::new)
            .join("control.sock");
        let control_socket = self.path_or(control.as_ref(), "socket", default);
        let length = control_socket.as_os_str().len();
        if length > LONGEST_SOCKET {
            let given = control.as_ref().map(|fields| fields.place_of("socket"));
            let place = given.unwrap_or(super::tree::NOWHERE);
            let message = format!(
                "the path of the control socket has {length} bytes, {LONGEST_SOCKET} are possible"
            );
            self.problems
                .error(place, message)
                .hint("name a shorter one: [control] socket = \"/run/offhours/control.sock\"");
        }
        Settings {
            file,
            folder: self.folder.to_path_buf(),
            mail: mail.and_then(|fields| self.mail(&fields, &state_dir)),
            http: http.and_then(|fields| self.http(&fields)),
            ping: self.pings(),
            state_dir,
            control_socket,
        }
    }

    fn mail(&mut self, fields: &Fields<'a>, state_dir: &Path) -> Option<MailConfig> {
        let tls = [
            ("starttls", Tls::Starttls),
            ("implicit", Tls::Implicit),
            ("none", Tls::None),
        ];
        let tls_item = fields.get("tls");
        let tls = tls_item
            .and_then(|item| self.choice(item, &tls))
            .unwrap_or(Tls::Starttls);
        let host = fields
            .get("host")
            .and_then(|item| self.line(item))
            .map(str::to_owned);
        let port = fields
            .get("port")
            .and_then(|item| self.integer(item, 1..=65_535))
            .and_then(|port| u16::try_from(port).ok());
        let username = fields
            .get("username")
            .and_then(|item| self.line(item))
            .map(str::to_owned);
        let ca_file = fields
            .get("ca_file")
            .and_then(|item| self.line(item))
            .map(|text| self.folder.join(text));
        let timeout = self.duration_or(fields, "timeout", SECOND, MINUTE);
        let dir = self.path_or(Some(fields), "dir", state_dir.join("mail"));
        let from = fields
            .get("from")
            .and_then(|item| self.mailbox(item))
            .map(|mailbox| mailbox.to_string());
        let Some(transport) = fields.get("transport") else {
            self.missing(fields, "[mail]", "transport");
            return None;
        };
        if !fields.has("from") {
            self.missing(fields, "[mail]", "from");
        }
        match self.text(transport)? {
            "file" => Some(MailConfig::File { dir, from: from? }),
            "smtp" => {
                if !fields.has("host") {
                    self.missing(fields, "transport = \"smtp\"", "host");
                }
                let port = port.unwrap_or(match tls {
                    Tls::Starttls => 587,
                    Tls::Implicit => 465,
                    Tls::None => 25,
                });
                let password = self.password(fields, tls);
                self.certificates(fields, ca_file.as_deref());
                Some(MailConfig::Smtp {
                    host: host?,
                    port,
                    tls,
                    username,
                    password,
                    ca_file,
                    timeout,
                    from: from?,
                })
            }
            "sendmail" => {
                self.problems
                    .error(
                        transport.place,
                        "the transport \"sendmail\" is not in this version",
                    )
                    .hint("use \"smtp\" with host = \"localhost\", or \"file\"");
                None
            }
            other => {
                self.problems
                    .error(transport.place, format!("there is no transport `{other}`"))
                    .hint("one of \"smtp\", \"file\"");
                None
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

    /// A secret from a file: a relative one is looked for among the credentials of the service first.
    pub(super) fn secret(&mut self, item: Item<'a>) -> Option<SecretString> {
        let text = self.line(item)?;
        if self.purpose == Purpose::Read {
            return None;
        }
        let credentials = self
            .env
            .get("CREDENTIALS_DIRECTORY")
            .map(|dir| Path::new(dir).join(text));
        let path = credentials
            .filter(|path| path.exists())
            .unwrap_or_else(|| self.folder.join(text));
        match self.trust.read_secret(&path, LARGEST_SECRET) {
            Ok(secret) => {
                let secret = secret.strip_suffix('\n').unwrap_or(&secret);
                let secret = secret.strip_suffix('\r').unwrap_or(secret);
                if secret.is_empty() || secret.contains(['\n', '\0']) {
                    self.problems
                        .error(item.place, format!("{} must hold one line", path.display()));
                    return None;
                }
                Some(SecretString::from(secret.to_owned()))
            }
            // The service's credentials are there when it runs, not when somebody checks the file.
            Err(error) if error.is_missing() && self.purpose == Purpose::Check => {
                self.problems
                    .warning(item.place, error.to_string())
                    .hint("`run` refuses this unless it is a credential of the service");
                None
            }
            Err(error) => {
                self.problems
                    .error(item.place, error.to_string())
                    .maybe_hint(error.hint());
                None
            }
        }
    }

    fn http(&mut self, fields: &Fields<'a>) -> Option<HttpConfig> {
        let token_item = fields
            .get("token_file")
            .filter(|item| item.value.as_str() != Some(""));
        let token = token_item.and_then(|item| self.secret(item));
        let calendar_token = fields
            .get("calendar_token_file")
            .filter(|item| item.value.as_str() != Some(""))
            .and_then(|item| Some((item, self.secret(item)?)));
        if let (Some(token), Some((item, of_calendar))) = (&token, &calendar_token)
            && token.expose_secret() == of_calendar.expose_secret()
        {
            self.problems
                .error(item.place, "this is the token that opens everything")
                .hint(
                    "addresses are written down and passed on: use another secret for the calendar",
                );
        }
        let mut hosts = Vec::new();
        for (text, item) in fields
            .get("hosts")
            .map(|item| self.lines(item))
            .unwrap_or_default()
        {
            let allowed = |c: char| {
                c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']')
            };
            if text.chars().all(allowed) {
                hosts.push(text.to_ascii_lowercase());
            } else {
                self.problems
                    .error(item.place, format!("`{text}` is not the name of a host"));
            }
        }
        let Some(item) = fields.get("listen") else {
            self.missing(fields, "[http]", "listen");
            return None;
        };
        let mut listen = Vec::new();
        for (text, item) in self.lines(item) {
            match text.parse::<SocketAddr>() {
                Ok(address)
                    if !address.ip().to_canonical().is_loopback() && token_item.is_none() =>
                {
                    self.problems
                        .error(
                            item.place,
                            format!(
                                "{address} can be reached by others, which needs a `token_file`"
                            ),
                        )
                        .hint("listen on 127.0.0.1 or [::1], or name a token_file");
                }
                Ok(address) => listen.push(address),
                Err(_) => {
                    self.problems
                        .error(
                            item.place,
                            format!("`{text}` is not an address with a port"),
                        )
                        .hint(r#"such as "127.0.0.1:9190" or "[::1]:9190""#);
                }
            }
        }
        if listen.is_empty() && item.value.as_array().is_some_and(|array| array.is_empty()) {
            self.problems
                .error(item.place, "`listen` names no address")
                .hint("leave [http] out to listen nowhere");
        }
        (!listen.is_empty()).then_some(HttpConfig {
            listen,
            hosts,
            token,
            calendar_token: calendar_token.map(|(_, token)| token),
        })
    }
}
