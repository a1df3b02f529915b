use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn span(opens: i64, closes: i64) -> Occurrence {
    Occurrence {
        opens: at(opens),
        closes: at(closes),
    }
}

#[test]
fn a_span_shortens_splits_or_removes() {
    let night = span(100, 200);
    assert_eq!(subtract(night, &[]), [night]);
    assert_eq!(
        subtract(night, &[(at(0), at(100)), (at(200), at(300))]),
        [night]
    );
    assert_eq!(subtract(night, &[(at(50), at(120))]), [span(120, 200)]);
    assert_eq!(subtract(night, &[(at(180), at(300))]), [span(100, 180)]);
    assert_eq!(
        subtract(night, &[(at(130), at(140))]),
        [span(100, 130), span(140, 200)]
    );
    assert_eq!(subtract(night, &[(at(100), at(200))]), []);
    assert_eq!(
        subtract(night, &[(at(150), at(150)), (at(170), at(160))]),
        [night]
    );
}

#[test]
fn it_is_half_open() {
    let night = span(100, 200);
    assert!(night.contains(at(100)) && night.contains(at(199)));
    assert!(!night.contains(at(200)) && !night.contains(at(99)));
}

proptest! {
    #[test]
    fn what_is_left_is_what_no_span_covers(
        opens in 0..50i64, length in 1..50i64, spans in prop::collection::vec((0..100i64, 0..100i64), 0..6),
    ) {
        let whole = span(opens, opens + length);
        let spans: Vec<_> = spans.into_iter().map(|(a, b)| (at(a), at(b))).collect();
        let left = subtract(whole, &spans);
        for second in 0..110 {
            let t = at(second);
            let expected = whole.contains(t) && !spans.iter().any(|(from, until)| *from <= t && t < *until);
            prop_assert_eq!(left.iter().any(|piece| piece.contains(t)), expected);
        }
        prop_assert!(left.windows(2).all(|pair| pair[0].closes < pair[1].opens));
        prop_assert!(left.iter().all(|piece| piece.opens < piece.closes));
    }
}
