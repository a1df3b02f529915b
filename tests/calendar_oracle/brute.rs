//! Clocks read minute by minute around clock changes.
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub const MINUTE: i64 = 60;
pub const DAY: i64 = 86_400;

/// Zones whose clock changes are unlike each other, and an instant of such a change.
pub const CHANGES: [(&str, &str); 29] = [
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2027-03-14T07:00:00Z"),
    ("America/New_York", "2027-11-07T06:00:00Z"),
    // Half an hour.
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    // 30 December 2011 never was.
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Pacific/Kwajalein", "1993-08-21T12:00:00Z"),
    // The clock goes back for Ramadan.
    ("Africa/Casablanca", "2026-02-15T02:00:00Z"),
    ("Africa/Casablanca", "2026-03-22T02:00:00Z"),
    // A quarter of an hour, at midnight.
    ("Asia/Kathmandu", "1985-12-31T18:30:00Z"),
    // Midnight itself is skipped, or repeated.
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00:00Z"),
    ("America/Havana", "2026-03-08T05:00:00Z"),
    ("America/Havana", "2026-11-01T05:00:00Z"),
    // Two hours.
    ("Antarctica/Troll", "2026-03-29T01:00:00Z"),
    ("Antarctica/Troll", "2026-10-25T01:00:00Z"),
    // Negative summer time.
    ("Europe/Dublin", "2026-10-25T01:00:00Z"),
    ("America/St_Johns", "2027-03-14T05:30:00Z"),
    ("Asia/Pyongyang", "2018-05-04T15:00:00Z"),
    ("America/Caracas", "2016-05-01T07:00:00Z"),
    ("Africa/Cairo", "2026-04-23T22:00:00Z"),
    // It did so until it stayed on summer time for good.
    ("America/Asuncion", "2023-10-01T04:00:00Z"),
    ("America/Asuncion", "2024-03-24T03:00:00Z"),
    ("Asia/Beirut", "2026-03-28T22:00:00Z"),
    // At a quarter to three, and to four.
    ("Pacific/Chatham", "2026-04-04T14:00:00Z"),
    ("Pacific/Chatham", "2026-09-26T14:00:00Z"),
    ("Asia/Kolkata", "2026-06-01T00:00:00Z"),
    ("UTC", "2028-02-29T00:00:00Z"),
];

/// What a clock shows, minute by minute.
pub struct Clock {
    /// (instant, wall clock), a minute apart; both in seconds.
    pub ticks: Vec<(i64, i64)>,
    /// The latest wall clock that was shown up to each tick.
    reached: Vec<i64>,
}

impl Clock {
    pub fn around(zone: &str, change: &str, days: i64) -> Clock {
        Clock::near(zone, change.parse::<Timestamp>().unwrap().as_second(), days)
    }

    pub fn near(zone: &str, middle: i64, days: i64) -> Clock {
        let tz = TimeZone::get(zone).unwrap();
        let ticks: Vec<(i64, i64)> = (-days * 1440..=days * 1440)
            .map(|minute| middle + minute * MINUTE)
            .map(|t| {
                (
                    t,
                    t + i64::from(tz.to_offset(Timestamp::from_second(t).unwrap()).seconds()),
                )
            })
            .collect();
        let mut reached: Vec<i64> = Vec::with_capacity(ticks.len());
        for (_, wall) in &ticks {
            let before = reached.last().copied().unwrap_or(i64::MIN);
            reached.push(before.max(*wall));
        }
        Clock { ticks, reached }
    }

    pub fn middle(&self) -> i64 {
        self.ticks[self.ticks.len() / 2].0
    }

    /// The first instant at which the clock has reached a time.
    pub fn first_at(&self, wall: i64) -> i64 {
        self.ticks[self.reached.partition_point(|reached| *reached < wall)].0
    }

    /// The instants at which a schedule with fixed times fires: at every minute that the clock newly reaches or skips.
    pub fn fixed(&self, matches: impl Fn(i64) -> bool) -> Vec<i64> {
        let news = self.reached.windows(2).zip(&self.ticks[1..]);
        news.filter(|(r, _)| (1..=(r[1] - r[0]) / MINUTE).any(|m| matches(r[0] + m * MINUTE)))
            .map(|(_, (t, _))| *t)
            .collect()
    }

    /// The instants at which the clock shows a match.
    pub fn real(&self, matches: impl Fn(i64) -> bool) -> Vec<i64> {
        self.ticks[1..]
            .iter()
            .filter(|(_, wall)| matches(*wall))
            .map(|(t, _)| *t)
            .collect()
    }
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}
