//! Every zone of the system's database in which clocks change in a year.
use std::sync::OnceLock;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use offhours::core::calendar::Zone;

pub const YEARS: [i16; 3] = [2026, 2027, 2028];

/// No zone changes again so soon: Ramadan is longer.
pub const ALONE: SignedDuration = SignedDuration::from_hours(25 * 24);

/// One clock change.
#[derive(Clone, Debug)]
pub struct Change {
    pub zone: String,
    pub at: Timestamp,
    /// By how much the clock goes forward; negative: back.
    pub by: SignedDuration,
    /// What the clock shows first afterwards, in seconds since midnight.
    pub shows: i64,
    /// Whether it ends what the database calls summer time.
    pub ends_summer: bool,
}

impl Change {
    /// Whether the clock skips midnight, or a time on both sides of it.
    pub fn over_midnight(&self) -> bool {
        let by = self.by.as_secs();
        by > 0 && self.shows <= by
    }
}

fn changes(zone: &str, year: i16) -> Vec<Change> {
    let second = SignedDuration::from_secs(1);
    let from: Timestamp = format!("{year}-01-01T00:00:00Z").parse().unwrap();
    let until: Timestamp = format!("{}-01-01T00:00:00Z", year + 1).parse().unwrap();
    let tz = TimeZone::get(zone).unwrap();
    tz.following(from)
        .map(|transition| transition.timestamp())
        .take_while(|at| *at < until)
        .filter_map(|at| {
            let offset = |t| i64::from(tz.to_offset(t).seconds());
            let by = offset(at) - offset(at - second);
            (by != 0).then(|| Change {
                zone: zone.to_owned(),
                at,
                by: SignedDuration::from_secs(by),
                shows: (at.as_second() + offset(at)).rem_euclid(86_400),
                ends_summer: tz.to_offset_info(at - second).dst().is_dst(),
            })
        })
        .collect()
}

/// The changes of a year by zone, in the order of the names.
pub fn changing(year: i16) -> &'static [Vec<Change>] {
    static ALL: OnceLock<Vec<Vec<Vec<Change>>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let mut names: Vec<String> = jiff::tz::db()
            .available()
            .map(|name| name.as_str().to_owned())
            .filter(|name| Zone::named(name).is_ok())
            .collect();
        names.sort_unstable();
        let of_year = |year| {
            let all = names.iter().map(|name| changes(name, year));
            all.filter(|changes| !changes.is_empty()).collect()
        };
        YEARS.map(of_year).into()
    });
    let place = YEARS.iter().position(|known| *known == year).unwrap();
    &all[place]
}

/// A year for each zone, as the seed wants it.
pub fn drawn(seed: u64) -> Vec<&'static [Change]> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let year = YEARS[rng.usize(..YEARS.len())];
    changing(year).iter().map(Vec::as_slice).collect()
}

#[test]
fn the_strange_ones_are_among_them() {
    for year in YEARS {
        let all = changing(year);
        let of = |name: &str| {
            let found = all.iter().find(|changes| changes[0].zone == name);
            found.unwrap_or_else(|| panic!("{name} has no change in {year}"))
        };
        assert!(all.len() > 150, "{} zones change in {year}", all.len());
        let minutes = |name: &str| of(name)[0].by.as_mins().abs();
        assert_eq!(minutes("Australia/Lord_Howe"), 30);
        assert_eq!(minutes("Antarctica/Troll"), 120);
        assert_eq!(minutes("Pacific/Chatham"), 60);
        assert_eq!(minutes("Europe/Dublin"), 60);
        for name in ["Africa/Cairo", "Asia/Beirut", "America/Havana"] {
            let midnight = of(name).iter().any(Change::over_midnight);
            assert!(midnight, "{name} no longer skips midnight in {year}");
        }
        // Back for Ramadan, and forward again.
        assert_eq!(of("Africa/Casablanca").len(), 2);
    }
}
