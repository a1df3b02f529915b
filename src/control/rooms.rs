//! How many commands are served at once, and of whom: nobody keeps the others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Of one user.
const EACH: usize = 16;
/// Of all users but root and the daemon's own.
const ALL: usize = 128;
/// Of root, and of the daemon's own user: they need no socket to do harm.
const TRUSTED: usize = 256;

/// Counts what is being served, by user.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms(Arc<Mutex<HashMap<u32, usize>>>);

/// One command that is being served, until it is dropped.
#[derive(Debug)]
pub(super) struct Room {
    rooms: Rooms,
    uid: u32,
}

impl Rooms {
    /// None where there are enough.
    pub fn enter(&self, uid: u32) -> Option<Room> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = rustix::process::geteuid().as_raw();
        let trusted = |uid: u32| uid == 0 || uid == own;
        let count = taken.get(&uid).copied().unwrap_or(0);
        let full = if trusted(uid) {
            count >= TRUSTED
        } else {
            let others = taken.iter().filter(|(uid, _)| !trusted(**uid));
            count >= EACH || others.map(|(_, count)| count).sum::<usize>() >= ALL
        };
        if full {
            return None;
        }
        taken.insert(uid, count + 1);
        Some(Room {
            rooms: self.clone(),
            uid,
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut taken = self.rooms.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.uid) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_keeps_no_other_out() {
        let rooms = Rooms::default();
        let mut held: Vec<Room> = (0..EACH).filter_map(|_| rooms.enter(70_001)).collect();
        assert_eq!(held.len(), EACH);
        assert!(rooms.enter(70_001).is_none());
        assert!(rooms.enter(70_002).is_some() && rooms.enter(0).is_some());
        held.pop();
        assert!(rooms.enter(70_001).is_some());
        drop(held);
        assert!(rooms.0.lock().unwrap().is_empty());
    }

    #[test]
    fn many_users_do_not_keep_root_out() {
        let rooms = Rooms::default();
        let held: Vec<Room> = (0..1_000).filter_map(|n| rooms.enter(70_000 + n)).collect();
        assert_eq!(held.len(), ALL);
        assert!(rooms.enter(0).is_some());
    }
}
