//! The room on the made-up machine's disk.

/// A disk that may be full, and what is kept for that.
#[derive(Debug)]
pub struct Room {
    full: bool,
    /// There is something to give up.
    reserve: bool,
    /// How much can be recorded once it was given up.
    spare: u32,
    left: u32,
}

impl Room {
    /// Room for everything.
    pub fn new() -> Self {
        Self {
            full: false,
            reserve: true,
            spare: 0,
            left: 0,
        }
    }

    /// It is full from now on, but for so much when the reserve is given up.
    pub fn fill(&mut self, spare: u32) {
        *self = Self {
            full: true,
            spare,
            left: 0,
            ..*self
        };
    }

    /// There is room again.
    pub fn clear(&mut self) {
        self.full = false;
    }

    /// Takes the room for one record; whether there was any.
    pub fn take(&mut self) -> bool {
        if self.full && self.left == 0 {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        true
    }

    /// The reserve is given up; whether there was one.
    pub fn give_reserve(&mut self) -> bool {
        let given = std::mem::take(&mut self.reserve);
        if given {
            self.left = self.spare;
        }
        given
    }

    /// A reserve is kept again where there is room; whether there is one.
    pub fn keep_reserve(&mut self) -> bool {
        self.reserve |= !self.full;
        self.reserve
    }
}
