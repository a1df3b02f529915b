//! The calendar against oracles that share none of its code: walkers that read the crontab rules minute by minute,
//! the `croner` crate on plain UTC, systemd's calendar with its own idea of the time zone database, and Python's readers
//! of iCalendar.
mod brute;
mod cron_on_croner;
mod cron_through_clock_changes;
mod expression;
mod holidays;
mod on_systemd;
mod windows;
