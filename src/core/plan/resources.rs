//! What sessions may not share: never two of them on top of each other.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::core::policy::Name;

/// Until when each app and lock is taken, by what is planned so far.
#[derive(Default)]
pub struct Taken {
    until: HashMap<Name, Timestamp>,
    /// What people were told already does not move: these spans are kept free.
    fixed: HashMap<Name, Vec<(Timestamp, Timestamp)>>,
}

impl Taken {
    pub fn fix<'a>(
        &mut self,
        names: impl Iterator<Item = &'a Name>,
        from: Timestamp,
        until: Timestamp,
    ) {
        for name in names {
            self.fixed
                .entry(name.clone())
                .or_default()
                .push((from, until));
        }
    }

    pub fn take<'a>(&mut self, names: impl Iterator<Item = &'a Name>, until: Timestamp) {
        for name in names {
            let taken = self.until.entry(name.clone()).or_insert(until);
            *taken = until.max(*taken);
        }
    }

    /// When all of these are free of what was planned earlier.
    pub fn free_from<'a>(
        &self,
        names: impl Iterator<Item = &'a Name>,
        from: Timestamp,
    ) -> Timestamp {
        names
            .filter_map(|name| self.until.get(name).copied())
            .fold(from, Timestamp::max)
    }

    /// The end of a fixed span that a session of these would run into.
    pub fn collision<'a>(
        &self,
        mut names: impl Iterator<Item = &'a Name>,
        from: Timestamp,
        until: Timestamp,
    ) -> Option<Timestamp> {
        names.find_map(|name| {
            let spans = self.fixed.get(name)?;
            spans
                .iter()
                .find(|(start, end)| *start < until && *end > from)
                .map(|(_, end)| *end)
        })
    }

    pub fn has_fixed(&self) -> bool {
        !self.fixed.is_empty()
    }
}
