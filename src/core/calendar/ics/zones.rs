//! The names that calendars give to time zones.
use std::cell::RefCell;
use std::collections::HashMap;

use super::super::Zone;
use super::shown;

/// From a calendar's own name to the zone of the system's database: the rules that calendars bring along are not read,
/// for they are those of the day on which they were written.
#[derive(Debug)]
pub(super) struct Zones<'t> {
    floating: &'t Zone,
    /// What the calendar itself says its name stands for (`X-LIC-LOCATION`).
    meant: HashMap<String, String>,
    found: RefCell<HashMap<String, Option<Zone>>>,
}

impl<'t> Zones<'t> {
    pub(super) fn new(floating: &'t Zone, meant: HashMap<String, String>) -> Self {
        Self {
            floating,
            meant,
            found: RefCell::default(),
        }
    }

    /// Of times without a zone.
    pub(super) fn floating(&self) -> &Zone {
        self.floating
    }

    /// The zone of a `TZID`.
    pub(super) fn named(&self, id: &str) -> Result<Zone, (String, String)> {
        let mut found = self.found.borrow_mut();
        let zone = match found.get(id) {
            Some(zone) => zone.clone(),
            None => {
                let zone = self.look_up(id);
                found.insert(id.to_owned(), zone.clone());
                zone
            }
        };
        zone.ok_or_else(|| {
            (
                format!("no time zone \"{}\" in this system's database", shown(id)),
                "write an IANA name such as \"Europe/Berlin\" instead, here and in its VTIMEZONE"
                    .into(),
            )
        })
    }

    fn look_up(&self, id: &str) -> Option<Zone> {
        if let Ok(zone) = Zone::named(id) {
            return Some(zone);
        }
        if let Some(zone) = self.meant.get(id).and_then(|name| Zone::named(name).ok()) {
            return Some(zone);
        }
        // "/freeassociation.sourceforge.net/Europe/Berlin": a registry's name before the zone's.
        let mut rest = id.strip_prefix('/')?;
        while let Some((_, inner)) = rest.split_once('/') {
            if let Ok(zone) = Zone::named(inner) {
                return Some(zone);
            }
            rest = inner;
        }
        None
    }
}
