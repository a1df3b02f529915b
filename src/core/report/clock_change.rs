//! What a clock change does to a window, in words.
use crate::core::calendar::{ClockEffect, Occurrence, Unusual, Window, Zone};

use super::span;

/// `clock change: 1 h shorter`, beside the times of an occurrence or a piece of one; `None` for all others.
pub fn clock_change(window: &Window, piece: &Occurrence) -> Option<String> {
    let words = match window.clock_effect(piece)? {
        ClockEffect::Longer(more) if more.is_negative() => format!("{} shorter", span(more)),
        ClockEffect::Longer(more) => format!("{} longer", span(more)),
        ClockEffect::ClosesLater(by) if by.is_negative() => format!("closes {} earlier", span(by)),
        ClockEffect::ClosesLater(by) => format!("closes {} later", span(by)),
    };
    Some(format!("clock change: {words}"))
}

/// `6 h instead of 7 h`; `closes 06:00 instead of 05:00` where it is as long as usual; `left out` where nothing remains.
pub fn unusual(zone: &Zone, unusual: &Unusual) -> String {
    let Some(o) = unusual.occurrence else {
        return format!("left out, usually {}", span(unusual.usual));
    };
    if o.length() != unusual.usual {
        return format!("{} instead of {}", span(o.length()), span(unusual.usual));
    }
    let closes = zone.local(o.closes);
    let clock = |t: jiff::civil::DateTime| t.strftime("%H:%M").to_string();
    let usually = closes.saturating_sub(unusual.later);
    format!("closes {} instead of {}", clock(closes), clock(usually))
}
