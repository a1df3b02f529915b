//! The calendar against oracles that share none of its code: walkers that read the crontab rules minute by minute,
//! the `croner` crate on plain UTC, Python's `cronsim` and `dateutil` with `zoneinfo`, its readers of iCalendar, and
//! systemd's calendar with its own idea of the time zone database. Random cases come from one seed, see [`seed`].
mod brute;
mod cron_on_croner;
mod cron_through_clock_changes;
mod drawn;
mod expression;
mod holidays;
mod on_python;
mod on_systemd;
mod python;
mod seed;
mod unusual;
mod windows;
mod zones;
