//! One door for all transports.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Answer, Composed, MailSettings, Mailbox, SetupError, Templates, Transport, compose,
    file::Folder, sendmail::Program, smtp::Servers,
};
use crate::clock;

/// Bytes of a message in the log.
const LOGGED: usize = 64 * 1024;

/// Delivers messages; cheap to share behind an `Arc`, safe to use from several places at once.
#[derive(Debug)]
pub struct Mailer {
    from: Mailbox,
    way: Way,
    templates: Arc<Templates>,
    log_payload: bool,
}

#[derive(Debug)]
enum Way {
    Smtp(Box<Servers>),
    Sendmail(Program),
    File(Folder),
}

impl Mailer {
    /// Checks the settings and reads the certificates; connects to nothing.
    ///
    /// # Errors
    /// Settings that can never work.
    pub fn new(settings: &MailSettings) -> Result<Self, SetupError> {
        let refused = || SetupError::From(settings.from.clone());
        let from: Mailbox = settings.from.parse().map_err(|_| refused())?;
        compose::address(from.email.as_ref()).map_err(|_| refused())?;
        let way = match &settings.transport {
            Transport::Smtp(smtp) => Way::Smtp(Box::new(Servers::new(smtp, settings)?)),
            Transport::Sendmail { program } => {
                Way::Sendmail(Program::new(program.clone(), settings.timeout))
            }
            Transport::File { dir } => Way::File(Folder::new(dir.clone(), settings.timeout)),
        };
        Ok(Self {
            from,
            way,
            templates: Arc::default(),
            log_payload: false,
        })
    }

    /// With an operator's templates instead of the built-in ones.
    #[must_use]
    pub fn with_templates(self, templates: Arc<Templates>) -> Self {
        Self { templates, ..self }
    }

    /// Whether whole messages are logged.
    #[must_use]
    pub fn logging_payload(self, log_payload: bool) -> Self {
        Self {
            log_payload,
            ..self
        }
    }

    /// What mails are to be written with.
    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// The sender, for [`super::compose`].
    pub fn from(&self) -> &Mailbox {
        &self.from
    }

    /// Delivers once. Ends within the timeout of the settings, whatever the other side does; where many are sent at
    /// once to a mail server, four at a time are, and the time of each begins with its turn. Needs a tokio runtime
    /// with time and I/O.
    pub async fn send(&self, message: &Composed) -> Answer {
        self.deliver(message).await.answer
    }

    /// Tries what a delivery needs and sends nothing: each server (connection, TLS, login), the program or the folder, by
    /// name, and why it would fail.
    pub async fn try_out(&self) -> Vec<(String, Option<String>)> {
        match &self.way {
            Way::Smtp(servers) => servers.try_out().await,
            Way::Sendmail(program) => vec![(program.name(), program.missing())],
            Way::File(folder) => vec![(folder.name(), folder.unwritable())],
        }
    }

    /// The same, with what is worth knowing beside the answer.
    pub async fn deliver(&self, message: &Composed) -> Delivery {
        let (begun, began) = (Instant::now(), clock::now());
        self.log_begin(message);
        let sent = match &self.way {
            Way::Smtp(servers) => servers.send(message).await,
            Way::Sendmail(program) => Sent::by(&program.name(), program.send(message).await),
            Way::File(folder) => Sent::by(&folder.name(), folder.send(message).await),
        };
        let delivery = Delivery {
            answer: sent.answer,
            server: sent.server,
            took: begun.elapsed(),
        };
        delivery.log(message, began);
        delivery
    }

    fn log_begin(&self, message: &Composed) {
        let (id, recipient) = (&message.message_id, &message.envelope_to);
        let session = message.session.as_deref();
        tracing::debug!(%id, session, %recipient, kind = message.kind.word(), "mail begins");
        if self.log_payload {
            let (kept, all) = (message.bytes.len().min(LOGGED), message.bytes.len());
            // ASCII, and as one line that a program can read back.
            let payload = String::from_utf8_lossy(&message.bytes[..kept]);
            tracing::info!(%id, session, %recipient, bytes = all, ?payload, "mail payload");
        }
    }
}

/// One delivery, successful or not.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub answer: Answer,
    /// Who gave the answer: host and port, program, or folder; all that were asked where none could be talked to.
    pub server: String,
    pub took: Duration,
}

impl Delivery {
    /// One line, once it is over. No answer holds a secret.
    fn log(&self, message: &Composed, began: jiff::Timestamp) {
        let (id, recipient) = (&message.message_id, &message.envelope_to);
        let (kind, server) = (message.kind.word(), &self.server);
        let session = message.session.as_deref();
        let duration_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        let (answer, said) = (self.answer.word(), self.answer.said());
        match self.answer {
            Answer::Accepted { .. } => {
                tracing::info!(%id, kind, session, %recipient, server, %began, duration_ms, answer, said, "mail");
            }
            _ => {
                tracing::warn!(%id, kind, session, %recipient, server, %began, duration_ms, answer, said, "mail");
            }
        }
    }
}

/// An answer and who gave it.
pub(super) struct Sent {
    answer: Answer,
    server: String,
}

impl Sent {
    pub(super) fn by(server: &str, answer: Answer) -> Self {
        Self {
            answer,
            server: server.to_owned(),
        }
    }
}
