//! Durations, instants, times of day and sizes as the configuration has them.

use offhours::config::instant::Written;
use offhours::config::{duration, instant, size};

use super::safe;

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match duration::parse(text) {
        Ok(parsed) => {
            assert!(!parsed.is_negative() && parsed <= duration::LONGEST);
            assert_eq!(duration::parse(&duration::format(parsed)), Ok(parsed));
        }
        Err(error) => assert!(!error.message.is_empty()),
    }
    match instant::parse(text) {
        Ok(Written::Local(local)) => {
            let shown = local.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            assert_eq!(instant::parse(&shown), Ok(Written::Local(local)));
        }
        Ok(Written::Instant(at)) => {
            assert_eq!(instant::parse(&at.to_string()), Ok(Written::Instant(at)));
        }
        Err(message) => safe::line(&message, 1_000),
    }
    if let Ok(written) = text.parse::<toml::value::Datetime>()
        && let Ok(read) = instant::from_toml(&written)
        // TOML takes more: seconds with parts, offsets of a day.
        && let Ok(same) = instant::parse(text)
    {
        assert_eq!(read, same);
    }
    if let Ok(bytes) = size::parse(text) {
        assert_eq!(size::parse(&bytes.to_string()), Ok(bytes));
    }
    if let Some(time) = instant::time_of_day(text) {
        let shown = time.strftime("%H:%M:%S").to_string();
        assert_eq!(instant::time_of_day(&shown), Some(time));
    }
}
