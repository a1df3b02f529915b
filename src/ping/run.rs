//! The mark of an attempt, by which its beginning and its end are known to belong together.

use crate::core::run::RunId;

/// A UUID of version 8 (RFC 9562, 5.8): of an installation no two attempts have the same, and the same attempt has the
/// same again after a restart.
pub(super) fn mark(nonce: &str, run: RunId, attempt: u32) -> String {
    // FNV-1a; tells installations apart that share an address, as far as 32 bits can.
    let installation = nonce.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    // 122 bits: 32 of the installation, 64 of the run, 26 of the attempt.
    let bits =
        u128::from(installation) << 90 | u128::from(run) << 26 | u128::from(attempt & 0x03ff_ffff);
    let (a, b, c) = (bits >> 74, bits >> 62 & 0xfff, bits & ((1 << 62) - 1));
    let uuid = a << 80 | 8 << 76 | b << 64 | 2 << 62 | c;
    let hex = format!("{uuid:032x}");
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_uuid_of_version_8_and_the_same_again() {
        for (run, attempt) in [(1, 1), (0, 0), (u64::MAX, u32::MAX), (4_711, 2)] {
            let mark = mark("0123abcd", run, attempt);
            let lengths: Vec<usize> = mark.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{mark}");
            assert!(
                mark.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()),
                "{mark}"
            );
            assert_eq!(&mark[14..15], "8", "{mark}");
            assert!("89ab".contains(&mark[19..20]), "{mark}");
            assert_eq!(mark, super::mark("0123abcd", run, attempt));
        }
    }

    #[test]
    fn no_two_attempts_have_the_same() {
        let mut marks = std::collections::BTreeSet::new();
        let mut count = 0;
        for nonce in ["", "n", "0123abcd", "0123abce"] {
            for run in (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) - 1]) {
                for attempt in [1, 2, 1 << 25] {
                    // 2^0 and 2^1 - 1 are the same run.
                    count += usize::from(marks.insert(mark(nonce, run, attempt)));
                }
            }
        }
        assert_eq!(count, 4 * (64 * 2 - 1) * 3);
    }
}
