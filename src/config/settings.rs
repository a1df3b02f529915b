//! Settings of the shell: where state, socket, mail server and listeners are.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::Purpose;
use super::control::ControlConfig;
use super::mail::MailConfig;
use super::ping::PingConfig;
use super::reading::Reading;
use super::templates::TemplateFiles;
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
    pub control: ControlConfig,
    pub mail: Option<MailConfig>,
    /// Of notices, beside the built-in ones.
    pub templates: TemplateFiles,
    pub http: Option<HttpConfig>,
    pub ping: PingConfig,
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
    pub(super) fn path_or(
        &mut self,
        fields: Option<&Fields<'a>>,
        key: &str,
        default: PathBuf,
    ) -> PathBuf {
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
            templates: self.templates(),
            http: http.and_then(|fields| self.http(&fields)),
            ping: self.pings(),
            control: self.control(control_socket, &state_dir),
            state_dir,
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
