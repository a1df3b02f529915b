//! `[ping]`, and `ping` of jobs: addresses that are told that all is well, so that somebody notices when they are not.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::command::{MINUTE, SECOND};
use super::reading::Reading;
use super::tree::{Fields, Item};
use crate::core::policy::Name;
use crate::core::run::What;

/// Whoever is watched in this way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pinged {
    Daemon,
    Maintenance(Name),
    Periodic(Name),
}

impl Pinged {
    /// The job of an attempt; hooks and questions are not watched.
    pub fn by(what: &What) -> Option<Self> {
        match what {
            What::Step { job, .. } => Some(Self::Maintenance(job.clone())),
            What::Periodic { job, .. } => Some(Self::Periodic(job.clone())),
            What::Ask { .. }
            | What::Health { .. }
            | What::Peer { .. }
            | What::Enter { .. }
            | What::Leave { .. }
            | What::Alarm { .. } => None,
        }
    }
}

/// Where all of them are told, and how.
#[derive(Clone, Debug, Default)]
pub struct PingConfig {
    pub addresses: HashMap<Pinged, PingAddress>,
    /// How often the daemon says that it lives.
    pub every: SignedDuration,
    /// Certificates that are trusted beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// Whether the end of what a job printed is sent along.
    pub output: bool,
}

/// An address. Who knows it can say that all is well: it is shown up to its host only.
#[derive(Clone)]
pub struct PingAddress {
    secret: SecretString,
    /// `https://hc.example.org/…`
    shown: String,
}

impl fmt::Debug for PingAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for PingAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl PingAddress {
    /// # Errors
    /// What is wrong with the text, without any of it; and what may be done about it.
    pub fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        const HINT: &str = "such as \"https://hc.example.org/UUID\"";
        let url =
            Url::parse(text).map_err(|error| (format!("this is no address: {error}"), HINT))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(("only http and https addresses can be told".into(), HINT));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let text = "a user name or a password in an address is not sent";
            return Err((text.into(), "leave it out; the path is the secret"));
        }
        if url.fragment().is_some() {
            let text = "what follows the `#` is never sent";
            return Err((text.into(), "leave it out"));
        }
        Ok(Self {
            shown: shown(&url),
            secret: String::from(url).into(),
        })
    }

    /// The whole address, with a word appended to its path and a run's mark: never to be shown.
    pub fn with(&self, word: Option<&str>, run: Option<&str>) -> Option<Url> {
        let mut url = Url::parse(self.secret.expose_secret()).ok()?;
        if let Some(word) = word {
            url.path_segments_mut().ok()?.pop_if_empty().push(word);
        }
        if let Some(run) = run {
            url.query_pairs_mut().append_pair("rid", run);
        }
        Some(url)
    }

    /// Whether others can listen on the way.
    fn is_in_the_clear(&self) -> bool {
        let Some(url) = self.with(None, None) else {
            return false;
        };
        let here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        url.scheme() == "http" && !here
    }
}

/// An address without its secret part.
pub fn shown(url: &Url) -> String {
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!(
        "{}://{}{port}/…",
        url.scheme(),
        url.host_str().unwrap_or_default()
    )
}

impl<'a> Reading<'a> {
    /// `[ping]`; the addresses of the jobs come with the jobs.
    pub fn pings(&mut self) -> PingConfig {
        let fields = self.document.section("ping").cloned().unwrap_or_default();
        if let Some(address) = self.address(&fields, "url", "url_file") {
            self.pinged.insert(Pinged::Daemon, address);
        } else if fields.has("every") && !fields.has("url") && !fields.has("url_file") {
            self.problems
                .error(fields.place_of("every"), "`every` needs `url`")
                .hint("the address that is told that the daemon lives");
        }
        let ca_file = fields
            .get("ca_file")
            .filter(|item| item.value.as_str() != Some(""))
            .and_then(|item| self.line(item));
        let ca_file = ca_file.map(|text| self.folder.join(text));
        self.certificates(&fields, ca_file.as_deref());
        PingConfig {
            addresses: HashMap::new(),
            every: self.duration_or(&fields, "every", SECOND, MINUTE * 5),
            ca_file,
            output: fields
                .get("output")
                .and_then(|item| self.boolean(item))
                .unwrap_or(false),
        }
    }

    /// `ping` or `ping_file` of a job.
    pub fn ping_of(&mut self, fields: &Fields<'a>, job: Pinged) {
        if let Some(address) = self.address(fields, "ping", "ping_file") {
            self.pinged.insert(job, address);
        }
    }

    fn address(&mut self, fields: &Fields<'a>, key: &str, file: &str) -> Option<PingAddress> {
        let given = |key: &str| {
            let item = fields.get(key);
            item.filter(|item| item.value.as_str() != Some(""))
        };
        let (inline, from_file) = (given(key), given(file));
        // Whatever is said about it, or about something else on its line.
        if let Some(item) = inline {
            self.problems.sources.conceal(item.place);
        }
        let (item, address) = match (inline, from_file) {
            (Some(_), Some(_)) => {
                self.problems.error(
                    fields.place_of(file),
                    format!("`{key}` and `{file}` exclude each other"),
                );
                return None;
            }
            (Some(item), None) => {
                let text = self.line(item)?;
                (item, self.parsed(item, text)?)
            }
            (None, Some(item)) => {
                let secret = self.secret(item)?;
                (item, self.parsed(item, secret.expose_secret().trim())?)
            }
            (None, None) => return None,
        };
        if address.is_in_the_clear() {
            self.problems
                .warning(item.place, format!("{address} is sent in the clear"))
                .hint("who listens on the way can say that all is well: use https");
        }
        Some(address)
    }

    fn parsed(&mut self, item: Item<'a>, text: &str) -> Option<PingAddress> {
        match PingAddress::parse(text) {
            Ok(address) => Some(address),
            Err((message, hint)) => {
                self.problems.error(item.place, message).hint(hint);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_runs_are_appended() {
        let with = |text: &str, word, run| {
            let address = PingAddress::parse(text).expect("good");
            String::from(address.with(word, run).expect("an address"))
        };
        for (base, word, run, expected) in [
            (
                "https://hc.example.org/abc",
                None,
                None,
                "https://hc.example.org/abc",
            ),
            (
                "https://hc.example.org/abc",
                Some("start"),
                None,
                "https://hc.example.org/abc/start",
            ),
            (
                "https://hc.example.org/abc/",
                Some("fail"),
                Some("r"),
                "https://hc.example.org/abc/fail?rid=r",
            ),
            (
                "https://hc.example.org/a?x=1",
                Some("7"),
                Some("r"),
                "https://hc.example.org/a/7?x=1&rid=r",
            ),
            (
                "http://[::1]:8000",
                Some("start"),
                None,
                "http://[::1]:8000/start",
            ),
        ] {
            assert_eq!(with(base, word, run), expected);
        }
    }

    #[test]
    fn it_is_shown_up_to_its_host() {
        let address =
            PingAddress::parse("https://hc.example.org:8443/secret?secret=1").expect("good");
        assert_eq!(address.to_string(), "https://hc.example.org:8443/…");
        assert_eq!(format!("{address:?}"), "https://hc.example.org:8443/…");
        for wrong in [
            "secret",
            "ftp://hc.example.org/secret",
            "https://secret:secret@hc.example.org/",
            "https://a/#secret",
            "https:///",
            "https://a b/secret",
            "mailto:secret@example.org",
        ] {
            let (message, hint) = PingAddress::parse(wrong).expect_err(wrong);
            assert!(
                !message.contains("secret") && !hint.contains("secret-"),
                "{message}"
            );
        }
    }

    #[test]
    fn the_own_machine_needs_no_tls() {
        for (text, clear) in [
            ("http://localhost:8000/x", false),
            ("http://127.9.9.9/x", false),
            ("http://[::1]/x", false),
            ("https://hc.example.org/x", false),
            ("http://hc.example.org/x", true),
            ("http://192.0.2.1/x", true),
            ("http://localhost.example.org/x", true),
        ] {
            let address = PingAddress::parse(text).expect("good");
            assert_eq!(address.is_in_the_clear(), clear, "{text}");
        }
    }
}
