//! What became of a delivery.

/// The classified answer. `why` is one printable line of at most 300 characters without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The server (or file, or program) has taken responsibility for the message.
    Accepted {
        /// What it said, cleaned.
        server: String,
    },
    /// Not delivered, and nothing speaks against trying again.
    Temporary { why: String },
    /// Not delivered; the server refuses this recipient or this message for good.
    Permanent { why: String },
    /// The message was handed over whole but no answer came: it may have been delivered.
    Unknown { why: String },
}
