//! What sessions may not share: never two of them on top of each other.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::core::policy::Name;

/// Until when each app and lock is taken, by what is planned so far. Each has a number, so that a plan of very many
/// sessions need not look for names.
#[derive(Default)]
pub struct Taken {
    numbers: HashMap<Name, usize>,
    until: Vec<Timestamp>,
    /// What people were told already does not move: these spans are kept free.
    fixed: HashMap<usize, Vec<(Timestamp, Timestamp)>>,
}

impl Taken {
    /// The number of an app or a lock.
    pub fn number(&mut self, name: &Name) -> usize {
        let next = self.until.len();
        let number = *self.numbers.entry(name.clone()).or_insert(next);
        if number == next {
            self.until.push(Timestamp::MIN);
        }
        number
    }

    pub fn fix<'a>(
        &mut self,
        names: impl Iterator<Item = &'a Name>,
        from: Timestamp,
        until: Timestamp,
    ) {
        for name in names {
            let number = self.number(name);
            self.fixed.entry(number).or_default().push((from, until));
        }
    }

    pub fn take(&mut self, numbers: &[usize], until: Timestamp) {
        for number in numbers {
            if let Some(taken) = self.until.get_mut(*number) {
                *taken = until.max(*taken);
            }
        }
    }

    /// When all of these are free of what was planned earlier.
    pub fn free_from(&self, numbers: &[usize], from: Timestamp) -> Timestamp {
        let taken = numbers.iter().filter_map(|number| self.until.get(*number));
        taken.copied().fold(from, Timestamp::max)
    }

    /// The end of a fixed span that a session of these would run into.
    pub fn collision(
        &self,
        numbers: &[usize],
        from: Timestamp,
        until: Timestamp,
    ) -> Option<Timestamp> {
        numbers.iter().find_map(|number| {
            let spans = self.fixed.get(number)?;
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
