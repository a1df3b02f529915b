//! One door for all transports.

use std::time::{Duration, Instant};

use super::{
    Answer, Composed, MailSettings, Mailbox, SetupError, Transport, compose, file::Folder,
    sendmail::Program, smtp::Servers,
};

/// Delivers messages; cheap to share behind an `Arc`, safe to use from several places at once.
#[derive(Debug)]
pub struct Mailer {
    from: Mailbox,
    way: Way,
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
        Ok(Self { from, way })
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

    /// The same, with what is worth knowing beside the answer.
    pub async fn deliver(&self, message: &Composed) -> Delivery {
        let begun = Instant::now();
        let sent = match &self.way {
            Way::Smtp(servers) => servers.send(message).await,
            Way::Sendmail(program) => Sent::by(&program.name(), program.send(message).await),
            Way::File(folder) => Sent::by(&folder.name(), folder.send(message).await),
        };
        Delivery {
            answer: sent.answer,
            server: sent.server,
            took: begun.elapsed(),
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
