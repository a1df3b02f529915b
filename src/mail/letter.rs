//! What a notice says, with everything looked up: nothing here reads a clock, a file or a zone database.

use jiff::tz::TimeZone;

pub use crate::core::letter::{LetterEnd, LetterJob, LetterKind};
pub use crate::core::policy::Language;

/// One notice to one recipient: everything its text says. Its ids are whole, without angle brackets.
pub type Letter = crate::core::letter::Letter<Recipient>;

/// The one person (or list) a letter goes to.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// A bare address, `user@example.org`.
    pub email: String,
    pub name: Option<String>,
    pub language: Language,
    /// Times are shown in this zone.
    pub zone: TimeZone,
    /// Its IANA name, shown beside the times.
    pub zone_name: String,
}
