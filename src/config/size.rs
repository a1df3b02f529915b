//! Amounts of bytes: `"512KiB"`, `"1MiB"`, `"1GiB"`.

/// Why a text is no size, and how it could be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SizeError {
    pub message: String,
    pub hint: String,
}

const UNITS: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Parses a whole number with a unit, or a plain number of bytes.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let refuse = |message: String, hint: &str| SizeError {
        message,
        hint: hint.to_owned(),
    };
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    if number.is_empty() || unit.starts_with(['.', ',']) {
        return Err(refuse(
            "this is not a size".into(),
            r#"a size looks like "512KiB", "1MiB" or "1GiB""#,
        ));
    }
    let factor = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|&(_, factor)| factor);
    let Some(factor) = factor.or(unit.is_empty().then_some(1)) else {
        return Err(refuse(
            format!("there is no unit `{unit}`"),
            "the units are B, KiB, MiB, GiB and TiB (powers of 1024)",
        ));
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|&bytes| bytes <= 1 << 60)
        .ok_or_else(|| refuse("this size is too large".into(), "at most 1048576TiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024() {
        assert_eq!(parse("512KiB"), Ok(524_288));
        assert_eq!(parse("1 MiB"), Ok(1_048_576));
        assert_eq!(parse("1GiB"), Ok(1_073_741_824));
        assert_eq!(parse("4096"), Ok(4_096));
        assert_eq!(parse("0"), Ok(0));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "MiB",
            "1MB",
            "1mib",
            "1.5GiB",
            "-1",
            "99999999999999999999",
            "99999999TiB",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("1MB").unwrap_err().message, "there is no unit `MB`");
    }
}
