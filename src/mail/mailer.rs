//! One door for all transports.

use super::{
    Answer, Composed, MailSettings, Mailbox, SetupError, Transport, compose, file::Folder,
    sendmail::Program, smtp::Server,
};

/// Delivers messages; cheap to share behind an `Arc`, safe to use from several places at once.
#[derive(Debug)]
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Smtp(Box<Server>),
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
            Transport::Smtp(smtp) => Way::Smtp(Box::new(Server::new(smtp, settings)?)),
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
        match &self.way {
            Way::Smtp(server) => server.send(message).await,
            Way::Sendmail(program) => program.send(message).await,
            Way::File(folder) => folder.send(message).await,
        }
    }
}
