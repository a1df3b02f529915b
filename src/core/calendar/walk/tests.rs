use jiff::Timestamp;

use super::*;

/// Whatever stretch it stands in, it says what the zone says.
#[test]
fn it_agrees_with_its_zone_wherever_it_comes_from() {
    let changes = [
        ("Europe/Berlin", "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", "2026-10-25T01:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
        ("Pacific/Apia", "2011-12-30T10:00:00Z"),
        ("America/Havana", "2026-11-01T05:00:00Z"),
    ];
    for (name, change) in changes {
        let zone = Zone::named(name).unwrap();
        let change: Timestamp = change.parse().unwrap();
        let change = change.as_second();
        let wall = change + zone.offset_s(at_second(change));
        for seat in [
            change - 90_000,
            change - 1,
            change,
            change + 600,
            change + 3 * 86_400,
        ] {
            for minutes in (-3000..3000).step_by(15) {
                let wall = wall + minutes * 60;
                let mut walk = Walk::new(&zone);
                walk.seat(seat);
                let expected = zone.instant(civil_of(wall)).as_second();
                assert_eq!(walk.instant(wall), expected, "{name} {}", civil_of(wall));
            }
        }
    }
}
