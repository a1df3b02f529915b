//! Who may ask, by which name, and how much they are told.
use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, Uri, header};
use secrecy::{ExposeSecret, SecretString};

use crate::config::HttpConfig;

/// The names this server answers to, and the token.
#[derive(Debug)]
pub struct Access {
    token: Option<SecretString>,
    calendar_token: Option<SecretString>,
    /// In lower case.
    hosts: Vec<String>,
    addresses: Vec<IpAddr>,
}

/// Whether the asker is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    Known,
    Unknown,
}

/// The request was made under a name that is not ours: a page elsewhere made a browser ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrongHost;

/// A token was given, and it is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrongToken;

impl Access {
    pub fn new(config: &HttpConfig) -> Self {
        Self {
            token: config.token.clone(),
            calendar_token: config.calendar_token.clone(),
            hosts: config
                .hosts
                .iter()
                .map(|host| host.to_ascii_lowercase())
                .collect(),
            addresses: config.listen.iter().map(SocketAddr::ip).collect(),
        }
    }

    /// Refuses requests under other names, so that no page elsewhere can read this one through a visitor's browser by
    /// pointing its own name here.
    pub(super) fn host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), WrongHost> {
        let mut given = headers.get_all(header::HOST).iter();
        let host = given.next().ok_or(WrongHost)?;
        if given.next().is_some() {
            return Err(WrongHost);
        }
        let host = host.to_str().map_err(|_| WrongHost)?;
        let ours = |host: &str| self.is_ours(host);
        if ours(host) && uri.authority().is_none_or(|a| ours(a.as_str())) {
            Ok(())
        } else {
            Err(WrongHost)
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else {
            return false;
        };
        if let Ok(address) = name.parse::<IpAddr>() {
            let address = address.to_canonical();
            // A browser that asks for an address cannot have been led here by a name.
            let everywhere = self.addresses.iter().any(IpAddr::is_unspecified);
            return address.is_loopback() || everywhere || self.addresses.contains(&address);
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name == "localhost" || self.hosts.contains(&name)
    }

    /// Who has the token is known; who has none is not; who has another is refused.
    pub(super) fn reader(&self, headers: &HeaderMap) -> Result<Reader, WrongToken> {
        let Some(given) = headers.get(header::AUTHORIZATION) else {
            return Ok(Reader::Unknown);
        };
        let Some(token) = &self.token else {
            return Ok(Reader::Unknown);
        };
        let given = given.as_bytes();
        let (scheme, rest) = given.split_at_checked(7).ok_or(WrongToken)?;
        let same = scheme.eq_ignore_ascii_case(b"bearer ")
            && same(rest.trim_ascii(), token.expose_secret().as_bytes());
        if same {
            Ok(Reader::Known)
        } else {
            Err(WrongToken)
        }
    }

    /// The same of who asks for the calendar, with the token that is in the address. That of everything else is not
    /// taken from there: addresses are written down by proxies and passed on by people.
    pub(super) fn calendar_reader<'q>(
        &self,
        header: Reader,
        given: impl IntoIterator<Item = &'q str>,
    ) -> Result<Reader, WrongToken> {
        let Some(token) = &self.calendar_token else {
            return Ok(header);
        };
        let mut reader = header;
        for given in given {
            if !same(given.as_bytes(), token.expose_secret().as_bytes()) {
                return Err(WrongToken);
            }
            reader = Reader::Known;
        }
        Ok(reader)
    }
}

/// The host of `host:port` or `[address]:port`; none where the port is no number.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            (
                address,
                rest.strip_prefix(':').or(rest.is_empty().then_some("0"))?,
            )
        }
        None => host.split_once(':').unwrap_or((host, "0")),
    };
    port.parse::<u16>().is_ok().then_some(name)
}

/// Takes as long for a nearly right token as for a wrong one.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y));
    a.len() == b.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn access(listen: &str, token: Option<&str>) -> Access {
        Access::new(&HttpConfig {
            listen: vec![listen.parse().expect("address")],
            hosts: vec!["Status.example.org".into()],
            token: token.map(|t| t.to_owned().into()),
            calendar_token: token.map(|t| format!("{t}-calendar").into()),
        })
    }

    fn allowed(access: &Access, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).expect("header"));
        access.host(&Uri::from_static("/"), &headers).is_ok()
    }

    #[test]
    fn only_our_own_names_are_answered() {
        let access = access("192.0.2.1:9190", None);
        for ours in [
            "localhost",
            "LOCALHOST:9190",
            "localhost.",
            "127.0.0.1:1",
            "127.1.2.3",
            "[::1]:9190",
            "[::1]",
            "192.0.2.1",
            "status.example.org",
            "status.example.org:443",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert!(allowed(&access, ours), "{ours}");
        }
        for other in [
            "",
            "example.org",
            "localhost.example.org",
            "192.0.2.2",
            "localhost:",
            "localhost:x",
            "[::1",
            "::1",
            "[::1]x",
            "a@localhost",
            "localhost:99999",
            "evil.org:80:80",
        ] {
            assert!(!allowed(&access, other), "{other}");
        }
        assert!(
            access
                .host(&Uri::from_static("/"), &HeaderMap::new())
                .is_err()
        );
    }

    #[test]
    fn the_target_of_the_request_counts_too() {
        let access = access("127.0.0.1:0", None);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        assert!(
            access
                .host(&Uri::from_static("http://evil.example.org/"), &headers)
                .is_err()
        );
        headers.append(header::HOST, HeaderValue::from_static("evil.example.org"));
        assert!(access.host(&Uri::from_static("/"), &headers).is_err());
    }

    #[test]
    fn the_token_makes_known() {
        let access = access("127.0.0.1:0", Some("right"));
        let ask = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(
                    header::AUTHORIZATION,
                    HeaderValue::from_str(value).expect("header"),
                );
            }
            access.reader(&headers)
        };
        assert_eq!(ask(None), Ok(Reader::Unknown));
        assert_eq!(ask(Some("Bearer right")), Ok(Reader::Known));
        assert_eq!(ask(Some("bearer right")), Ok(Reader::Known));
        for wrong in [
            "",
            "right",
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            "Bearer righ",
            "Bearer rightt",
            "Basic right",
        ] {
            assert_eq!(ask(Some(wrong)), Err(WrongToken), "{wrong}");
        }
    }

    #[test]
    fn the_token_of_the_calendar_is_another() {
        let with = access("127.0.0.1:0", Some("right"));
        let ask = |given: &[&str]| with.calendar_reader(Reader::Unknown, given.iter().copied());
        assert_eq!(ask(&[]), Ok(Reader::Unknown));
        assert_eq!(ask(&["right-calendar"]), Ok(Reader::Known));
        for wrong in [
            &["right"][..],
            &[""],
            &["right-calendar", "x"],
            &["x", "right-calendar"],
        ] {
            assert_eq!(ask(wrong), Err(WrongToken), "{wrong:?}");
        }
        let known = with.calendar_reader(Reader::Known, []);
        assert_eq!(known, Ok(Reader::Known));
        // Where there is none, none is asked for.
        let without = access("127.0.0.1:0", None);
        assert_eq!(
            without.calendar_reader(Reader::Unknown, ["x"]),
            Ok(Reader::Unknown)
        );
    }
}
