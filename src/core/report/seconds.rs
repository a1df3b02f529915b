//! Durations as numbers of seconds.
use jiff::SignedDuration;
use serde::Serializer;

/// Whole seconds where they are whole, else to the millisecond.
pub(super) fn serialize<S: Serializer>(
    d: &SignedDuration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let millis = d.as_millis();
    if millis % 1000 == 0 {
        return serializer.serialize_i64(d.as_secs());
    }
    #[allow(
        clippy::cast_precision_loss,
        reason = "durations are far below 2^53 ms"
    )]
    serializer.serialize_f64(millis as f64 / 1000.0)
}

/// The same for what may be missing.
pub(super) fn optional<S: Serializer>(
    d: &Option<SignedDuration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match d {
        Some(d) => serialize(d, serializer),
        None => serializer.serialize_none(),
    }
}
