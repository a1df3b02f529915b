//! All notices, found by number, by the session they are about, and by the person they are for: thousands may wait.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::notice::{Notice, NoticeId};
use super::run::SessionId;

/// Read like the map of them by number.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    all: BTreeMap<NoticeId, Notice>,
    about: HashMap<SessionId, BTreeSet<NoticeId>>,
    /// By address, and by the session where they are about one.
    to: HashMap<String, HashMap<Option<SessionId>, BTreeSet<NoticeId>>>,
}

impl Deref for Notices {
    type Target = BTreeMap<NoticeId, Notice>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl PartialEq for Notices {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Serialize for Notices {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.all.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Notices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all: BTreeMap<NoticeId, Notice> = Deserialize::deserialize(deserializer)?;
        let mut notices = Self::default();
        all.into_values().for_each(|notice| notices.insert(notice));
        Ok(notices)
    }
}

impl Notices {
    /// In the place of one of the same number, if there is one.
    pub fn insert(&mut self, notice: Notice) {
        self.remove(notice.id);
        if let Some(session) = &notice.session {
            let about = self.about.entry(session.clone()).or_default();
            about.insert(notice.id);
        }
        let to = self.to.entry(notice.person.email.clone()).or_default();
        let to = to.entry(notice.session.clone()).or_default();
        to.insert(notice.id);
        self.all.insert(notice.id, notice);
    }

    pub fn remove(&mut self, id: NoticeId) {
        let Some(notice) = self.all.remove(&id) else {
            return;
        };
        if let Some(session) = &notice.session
            && let Some(about) = self.about.get_mut(session)
        {
            about.remove(&id);
            if about.is_empty() {
                self.about.remove(session);
            }
        }
        if let Some(sessions) = self.to.get_mut(&notice.person.email) {
            if let Some(to) = sessions.get_mut(&notice.session) {
                to.remove(&id);
                if to.is_empty() {
                    sessions.remove(&notice.session);
                }
            }
            if sessions.is_empty() {
                self.to.remove(&notice.person.email);
            }
        }
    }

    /// What it is about and whom it is for stay as they are.
    pub fn get_mut(&mut self, id: NoticeId) -> Option<&mut Notice> {
        self.all.get_mut(&id)
    }

    /// What they are about and whom they are for stay as they are.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Notice> {
        self.all.values_mut()
    }

    /// Those about a session, in the order in which they were owed.
    pub fn about(&self, session: &str) -> impl DoubleEndedIterator<Item = &Notice> + Clone {
        let ids = self.about.get(session).into_iter().flatten();
        ids.filter_map(|id| self.all.get(id))
    }

    /// Those for a person.
    pub fn to(&self, email: &str) -> impl Iterator<Item = &Notice> {
        let ids = self.to.get(email).into_iter().flat_map(HashMap::values);
        ids.flatten().filter_map(|id| self.all.get(id))
    }

    /// Those about the same as this one, and for the same person, in the order in which they were owed; itself, too.
    pub fn beside(&self, notice: &Notice) -> impl DoubleEndedIterator<Item = &Notice> {
        let to = self.to.get(&notice.person.email);
        let ids = to.and_then(|sessions| sessions.get(&notice.session));
        ids.into_iter().flatten().filter_map(|id| self.all.get(id))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::core::notice::Kind;
    use crate::core::policy::{Language, Person};

    fn notice(id: NoticeId, session: Option<&str>, email: &str) -> Notice {
        let person = Person {
            email: email.into(),
            name: None,
            language: Language::En,
            time_zone: "UTC".into(),
        };
        let mut notice = Notice::new(id, Kind::Advance, Vec::new(), person, Timestamp::UNIX_EPOCH);
        notice.session = session.map(Into::into);
        notice
    }

    fn ids<'a>(notices: impl Iterator<Item = &'a Notice>) -> Vec<NoticeId> {
        let mut ids: Vec<_> = notices.map(|notice| notice.id).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn they_are_found_as_long_as_they_are_there() {
        let mut notices = Notices::default();
        for (id, session, email) in [
            (1, Some("a"), "x"),
            (2, Some("a"), "y"),
            (3, Some("b"), "x"),
            (4, None, "x"),
            (5, Some("a"), "x"),
        ] {
            notices.insert(notice(id, session, email));
        }
        let found = |notices: &Notices| {
            let beside = notices.get(&1).map(|one| ids(notices.beside(one)));
            (ids(notices.about("a")), ids(notices.to("x")), beside)
        };
        let all = (vec![1, 2, 5], vec![1, 3, 4, 5], Some(vec![1, 5]));
        assert_eq!(found(&notices), all);
        // The same after it was written and read.
        let text = serde_json::to_string(&notices).expect("JSON");
        let read: Notices = serde_json::from_str(&text).expect("the same");
        assert_eq!(read, notices);
        assert_eq!(found(&read), all);
        // Another in its place.
        notices.insert(notice(5, Some("b"), "y"));
        assert_eq!(found(&notices), (vec![1, 2], vec![1, 3, 4], Some(vec![1])));
        for id in 1..=5 {
            notices.remove(id);
        }
        assert_eq!(found(&notices), (vec![], vec![], None));
        assert!(notices.about.is_empty() && notices.to.is_empty());
    }
}
