//! One connection to the server, and one message over it.

use std::{iter, net::SocketAddr, time::Duration};

use lettre::transport::smtp::{
    Error,
    authentication::Mechanism,
    client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters},
    commands::{Data, Mail, Quit, Rcpt, Rset},
    extension::ClientId,
    response::Response,
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout},
};

use super::{
    secrets::Login,
    stage::{Failure, Progress, Stage},
    wire::{Bounded, Encrypted},
};
use crate::mail::{Composed, Tls};

/// What a connection needs to know.
pub(super) struct Target {
    /// Without brackets.
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// There unless `tls` is none.
    pub parameters: Option<TlsParameters>,
    pub login: Option<Login>,
    pub hello: ClientId,
}

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// An open, greeted and, where asked for, encrypted and authenticated connection.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    /// Messages handed over so far.
    pub sent: u32,
    pub last_used: Instant,
}

impl Connection {
    /// Connects, within `limit` for all addresses of the name together.
    pub(super) async fn open(
        target: &Target,
        limit: Duration,
        progress: &Progress,
    ) -> Result<Self, Failure> {
        progress.reach(Stage::Connect);
        let stream = connect(&target.host, target.port, limit).await?;
        let stream = Bounded::new(stream, target.tls == Tls::StartTls);
        let stream: Box<dyn AsyncTokioStream> = match (target.tls, &target.parameters) {
            (Tls::Implicit, Some(parameters)) => {
                progress.reach(Stage::StartTls);
                Box::new(
                    Encrypted::new(stream, parameters.clone())
                        .await
                        .map_err(failure)?,
                )
            }
            _ => Box::new(stream),
        };
        progress.reach(Stage::Greeting);
        let mut smtp = AsyncSmtpConnection::connect_with_transport(stream, &target.hello)
            .await
            .map_err(failure)?;
        if let (Tls::StartTls, Some(parameters)) = (target.tls, &target.parameters) {
            progress.reach(Stage::StartTls);
            if !smtp.can_starttls() {
                return Err(Failure::Broken(
                    "the server does not offer STARTTLS, and nothing is sent without".into(),
                ));
            }
            smtp.starttls(parameters.clone(), &target.hello)
                .await
                .map_err(failure)?;
        }
        if let Some(login) = &target.login {
            progress.reach(Stage::Login);
            smtp.auth(&[Mechanism::Plain, Mechanism::Login], &login.credentials())
                .await
                .map_err(failure)?;
        }
        Ok(Self {
            smtp,
            sent: 0,
            last_used: Instant::now(),
        })
    }

    /// Whether the other side is still there; also ends whatever the last message left behind.
    pub(super) async fn fresh(&mut self, limit: Duration) -> bool {
        matches!(timeout(limit, self.smtp.command(Rset)).await, Ok(Ok(_)))
    }

    /// Hands over one message. The answer is the server's to the whole of it.
    pub(super) async fn deliver(
        &mut self,
        message: &Composed,
        progress: &Progress,
    ) -> Result<String, Failure> {
        self.sent += 1;
        progress.reach(Stage::Sender);
        let sender = Mail::new(Some(message.envelope_from.clone()), Vec::new());
        positive(self.smtp.command(sender).await)?;
        progress.reach(Stage::Recipient);
        let recipient = Rcpt::new(message.envelope_to.clone(), Vec::new());
        positive(self.smtp.command(recipient).await)?;
        progress.reach(Stage::Data);
        let go = self.smtp.command(Data).await.map_err(failure)?;
        if !go.has_code(354) {
            return Err(Failure::Broken(format!("unexpected answer {}", go.code())));
        }
        progress.reach(Stage::Content);
        // Asked for the part after the last, lettre has written all of them and sends the final dot next.
        let end = iter::from_fn(|| {
            progress.reach(Stage::Dot);
            None
        });
        let parts = iter::once(message.bytes.as_slice()).chain(end);
        let answer = positive(self.smtp.message_iter(parts).await)?;
        self.last_used = Instant::now();
        Ok(words(&answer))
    }

    /// Says good-bye, not waiting long for an answer.
    pub(super) async fn close(mut self) {
        // Whatever the server says to this, nothing depends on it.
        let _ = timeout(Duration::from_secs(1), self.smtp.command(Quit)).await;
    }
}

/// Only 2xx says yes; lettre lets 3xx pass too.
fn positive(result: Result<Response, Error>) -> Result<Response, Failure> {
    let answer = result.map_err(failure)?;
    if (200..300).contains(&u16::from(answer.code())) {
        Ok(answer)
    } else {
        Err(Failure::Broken(format!(
            "unexpected answer {}",
            words(&answer)
        )))
    }
}

fn words(answer: &Response) -> String {
    let text: Vec<&str> = answer.message().collect();
    format!("{} {}", answer.code(), text.join(" "))
}

fn failure(error: Error) -> Failure {
    let mut text = String::new();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    match error.status() {
        Some(code) => Failure::Refused {
            code: code.into(),
            text,
        },
        None if text.is_empty() => Failure::Broken(error.to_string()),
        // What lettre says to an end of file.
        None if text == "incomplete response" => {
            Failure::Broken("the server closed the connection".into())
        }
        None => Failure::Broken(text),
    }
}

/// In words that fit into a sentence: `connection refused`, without the number.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// The first address that answers. Each gets an equal share of the time that is left, so that a dead one (IPv6
/// without a route, mostly) does not use up that of the next.
async fn connect(host: &str, port: u16, limit: Duration) -> Result<TcpStream, Failure> {
    let end = Instant::now() + limit;
    let found = lookup_host((host, port))
        .await
        .map_err(|error| Failure::Broken(format!("cannot find its address: {error}")))?;
    let addresses: Vec<SocketAddr> = found.take(MAX_ADDRESSES).collect();
    let mut last = String::from("the name has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Commands are small and answered one by one; without this the end of a message waits for an ACK.
                stream
                    .set_nodelay(true)
                    .map_err(|error| Failure::Broken(error.to_string()))?;
                return Ok(stream);
            }
            Ok(Err(error)) => format!("{} ({})", plain(&error), address.ip()),
            Err(_) => format!("no answer ({})", address.ip()),
        };
    }
    Err(Failure::Broken(last))
}
