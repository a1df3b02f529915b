//! One mail server: deliveries within their time, over connections that are kept for a moment.

use std::{
    fmt,
    net::IpAddr,
    path::Path,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use lettre::transport::smtp::{
    client::{Certificate, TlsParameters, TlsParametersBuilder},
    extension::ClientId,
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{
    connection::{Connection, Target},
    guarded::Guarded,
    secrets::Login,
    stage::{Failure, Progress, Stage},
};
use crate::mail::{Composed, MailHost, MailSettings, SetupError, SmtpSettings, Tls};

/// Messages over one connection, below what servers commonly allow.
const MESSAGES: u32 = 100;
/// A connection unused for so long is closed; servers do the same after minutes.
const IDLE: Duration = Duration::from_secs(10);

/// A mail server and the connections that are open to it.
pub(super) struct Server {
    target: Target,
    label: String,
    idle: Arc<Mutex<Idle>>,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    /// A sweep is under way that will close what is left.
    swept: bool,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.label).finish()
    }
}

impl Server {
    pub(super) fn new(
        at: &MailHost,
        smtp: &SmtpSettings,
        settings: &MailSettings,
    ) -> Result<Self, SetupError> {
        let host = host(&at.name)?;
        let login = match (&smtp.username, &smtp.password) {
            (Some(username), Some(password)) => Some(Login::new(username, password.clone())),
            (None, None) => None,
            _ => return Err(SetupError::Login),
        };
        let parameters = match smtp.tls {
            Tls::None => None,
            Tls::StartTls | Tls::Implicit => Some(tls(&host, settings.ca_file.as_deref())?),
        };
        let label = match host.contains(':') {
            true => format!("[{host}]:{}", at.port),
            false => format!("{host}:{}", at.port),
        };
        Ok(Self {
            target: Target {
                host,
                port: at.port,
                tls: smtp.tls,
                parameters,
                login,
                hello: ClientId::default(),
            },
            label,
            idle: Arc::default(),
        })
    }

    /// Delivers once, or says at which stage it failed. Where nothing was handed over within `share` it is given up;
    /// what is being handed over then has until `end`.
    pub(super) async fn deliver(
        &self,
        message: &Composed,
        share: Duration,
        end: Instant,
    ) -> Result<String, (Stage, Failure)> {
        let progress = Progress::new();
        let mut attempt = pin!(Guarded::new(self.attempt(message, share, &progress)));
        let result = match timeout(share, &mut attempt).await {
            Ok(result) => result,
            Err(_) if progress.stage() >= Stage::Content => timeout_at(end, attempt)
                .await
                .unwrap_or_else(|_| Err(silent(share))),
            Err(_) => Err(silent(share)),
        };
        let hidden = |failure| match failure {
            Failure::Refused { code, text } => Failure::Refused {
                code,
                text: self.hide(&text),
            },
            Failure::Broken(text) => Failure::Broken(self.hide(&text)),
        };
        result
            .map(|server| self.hide(&server))
            .map_err(|failure| (progress.stage(), hidden(failure)))
    }

    /// Connects, encrypts and logs in as a delivery would, and sends nothing.
    ///
    /// # Errors
    /// Where that fails, and why.
    pub(super) async fn try_out(&self, limit: Duration) -> Result<(), (Stage, Failure)> {
        let progress = Progress::new();
        let opened = Guarded::new(Connection::open(&self.target, limit, &progress));
        let opened = match timeout(limit, pin!(opened)).await {
            Ok(opened) => opened,
            Err(_) => Err(silent(limit)),
        };
        match opened {
            Ok(connection) => {
                // It has told what was asked; how it says good-bye is no matter.
                let _ = timeout(limit, connection.close()).await;
                Ok(())
            }
            Err(Failure::Refused { code, text }) => {
                let text = self.hide(&text);
                Err((progress.stage(), Failure::Refused { code, text }))
            }
            Err(Failure::Broken(text)) => {
                Err((progress.stage(), Failure::Broken(self.hide(&text))))
            }
        }
    }

    /// Host and port, as people write them.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    fn hide(&self, text: &str) -> String {
        match &self.target.login {
            Some(login) => login.hide(text),
            None => text.to_owned(),
        }
    }

    async fn attempt(
        &self,
        message: &Composed,
        share: Duration,
        progress: &Progress,
    ) -> Result<String, Failure> {
        if let Some(mut connection) = self.take()
            && connection.fresh(share / 4).await
        {
            let result = connection.deliver(message, progress).await;
            match &result {
                // The server closed it in just this moment. It has taken no message yet: a new connection is safe.
                Err(failure) if progress.stage() == Stage::Sender && failure.stale() => {}
                _ => return self.keep(connection, result),
            }
        }
        let mut connection = Connection::open(&self.target, share, progress).await?;
        let result = connection.deliver(message, progress).await;
        self.keep(connection, result)
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle();
        let connection = idle.connections.pop()?;
        // The last used is on top: where it is too old, all are.
        if connection.last_used.elapsed() > IDLE {
            idle.connections.clear();
            return None;
        }
        Some(connection)
    }

    /// Puts a connection back whose state is known: after a yes, or a no in words.
    fn keep(
        &self,
        connection: Connection,
        result: Result<String, Failure>,
    ) -> Result<String, Failure> {
        let usable = match &result {
            Ok(_) => true,
            Err(failure) => !failure.stale(),
        };
        if usable && connection.sent < MESSAGES {
            let mut idle = self.idle();
            idle.connections.push(connection);
            if !idle.swept {
                idle.swept = true;
                tokio::spawn(sweep(Arc::downgrade(&self.idle)));
            }
        }
        result
    }
}

fn silent(share: Duration) -> Failure {
    let seconds = (share.as_secs_f32() * 10.0).round() / 10.0;
    Failure::Broken(format!("no answer within {seconds} s"))
}

/// Closes connections that nobody used for a while, and ends with the last of them or with their owner.
async fn sweep(idle: Weak<Mutex<Idle>>) {
    loop {
        sleep(IDLE).await;
        let Some(idle) = idle.upgrade() else { return };
        let (old, done) = {
            let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let (old, young) = std::mem::take(&mut idle.connections)
                .into_iter()
                .partition::<Vec<_>, _>(|connection| now - connection.last_used >= IDLE);
            idle.connections = young;
            idle.swept = !idle.connections.is_empty();
            (old, !idle.swept)
        };
        for connection in old {
            connection.close().await;
        }
        if done {
            return;
        }
    }
}

/// The host as the resolver and the certificate check want it.
fn host(text: &str) -> Result<String, SetupError> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare.parse::<IpAddr>().is_ok();
    let name = !text.starts_with('[')
        && !bare.is_empty()
        && bare.len() <= 253
        && bare
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if address || name {
        Ok(bare.to_owned())
    } else {
        Err(SetupError::Host(text.to_owned()))
    }
}

fn tls(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, SetupError> {
    let mut builder = TlsParametersBuilder::new(host.to_owned());
    if let Some(path) = ca_file {
        let certificates = |why: String| SetupError::Certificates {
            path: path.to_owned(),
            why,
        };
        let pem = std::fs::read(path).map_err(|source| SetupError::ReadCertificates {
            path: path.to_owned(),
            source,
        })?;
        if !pem
            .windows(27)
            .any(|bytes| bytes == b"-----BEGIN CERTIFICATE-----")
        {
            return Err(certificates("it is not in PEM form".into()));
        }
        let certificate =
            Certificate::from_pem(&pem).map_err(|error| certificates(error.to_string()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|error| match ca_file {
        Some(path) => SetupError::Certificates {
            path: path.to_owned(),
            why: error.to_string(),
        },
        None => SetupError::Tls(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn hosts() {
        for (text, bare) in [
            ("mail.example.org", "mail.example.org"),
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(host(text).unwrap(), bare);
        }
        for text in [
            "",
            "[]",
            "[mail.example.org]",
            "a b",
            "mail.example.org:25",
            "a\nb",
            "::g",
        ] {
            assert!(host(text).is_err(), "{text:?}");
        }
    }
}
