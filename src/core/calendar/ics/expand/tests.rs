use super::*;
use crate::core::calendar::Zone;
use crate::core::calendar::ics::line::lines;
use crate::core::calendar::ics::zones::Zones;

/// The rule of an event that starts then.
fn recurrence(rule: &str, start: DateTime) -> Recurrence {
    let utc = Zone::utc();
    let text = format!("RRULE:{rule}");
    let line = lines(&text).next().unwrap().unwrap();
    let zones = Zones::new(&utc, Default::default());
    let rule = Recurrence::read(&line, &zones, &utc).unwrap();
    rule.completed(start)
}

/// The first `most` days, or days with times, of a rule.
fn listed(start: &str, rule: &str, most: usize) -> Vec<String> {
    let start: DateTime = start.parse().unwrap();
    let rule = recurrence(rule, start);
    let mut found = vec![start];
    expand(&rule, start, None, &mut Budget(1_000_000), |at| {
        if found.len() == most {
            return ControlFlow::Break(());
        }
        found.push(at);
        ControlFlow::Continue(())
    })
    .unwrap();
    found
        .iter()
        .map(|at| {
            at.strftime("%Y-%m-%dT%H:%M")
                .to_string()
                .replace("T09:00", "")
        })
        .collect()
}

/// Each event that starts on a day at 09:00, with its rule, comes again on these days.
fn come_again(cases: &[(&str, &str, &str)]) {
    for (start, rule, days) in cases {
        let wanted: Vec<&str> = std::iter::once(*start).chain(days.split(' ')).collect();
        let found = listed(&format!("{start}T09:00"), rule, wanted.len());
        assert_eq!(found, wanted, "{rule}");
    }
}

/// The examples of RFC 5545, section 3.8.5.3.
#[test]
fn the_examples_of_the_standard() {
    come_again(&[
        (
            "1997-09-02",
            "FREQ=DAILY;INTERVAL=2",
            "1997-09-04 1997-09-06",
        ),
        (
            "1998-01-01",
            "FREQ=YEARLY;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
            "1998-01-02 1998-01-03",
        ),
        (
            "1997-09-02",
            "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
            "1997-09-16 1997-09-30 1997-10-14",
        ),
        (
            "1997-09-01",
            "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=MO,WE,FR",
            "1997-09-03 1997-09-05 1997-09-15 1997-09-17",
        ),
        (
            "1997-09-05",
            "FREQ=MONTHLY;BYDAY=1FR",
            "1997-10-03 1997-11-07",
        ),
        (
            "1997-09-07",
            "FREQ=MONTHLY;INTERVAL=2;BYDAY=1SU,-1SU",
            "1997-09-28 1997-11-02 1997-11-30",
        ),
        (
            "1997-09-22",
            "FREQ=MONTHLY;BYDAY=-2MO",
            "1997-10-20 1997-11-17 1997-12-22",
        ),
        (
            "1997-09-28",
            "FREQ=MONTHLY;BYMONTHDAY=-3",
            "1997-10-29 1997-11-28 1997-12-29",
        ),
        (
            "1997-09-30",
            "FREQ=MONTHLY;BYMONTHDAY=1,-1",
            "1997-10-01 1997-10-31 1997-11-01",
        ),
        (
            "1997-09-10",
            "FREQ=MONTHLY;INTERVAL=18;BYMONTHDAY=10,11,12,13,14,15",
            "1997-09-11 1997-09-12 1997-09-13 1997-09-14 1997-09-15 1999-03-10",
        ),
        (
            "1997-06-10",
            "FREQ=YEARLY;BYMONTH=6,7",
            "1997-07-10 1998-06-10",
        ),
        (
            "1997-03-10",
            "FREQ=YEARLY;INTERVAL=2;BYMONTH=1,2,3",
            "1999-01-10 1999-02-10 1999-03-10",
        ),
        (
            "1997-01-01",
            "FREQ=YEARLY;INTERVAL=3;BYYEARDAY=1,100,200",
            "1997-04-10 1997-07-19 2000-01-01 2000-04-09",
        ),
        (
            "1997-05-19",
            "FREQ=YEARLY;BYDAY=20MO",
            "1998-05-18 1999-05-17",
        ),
        (
            "1997-05-12",
            "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
            "1998-05-11 1999-05-17",
        ),
        (
            "1997-03-13",
            "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
            "1997-03-20 1997-03-27 1998-03-05",
        ),
        (
            "1998-02-13",
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            "1998-03-13 1998-11-13 1999-08-13 2000-10-13",
        ),
        (
            "1997-09-13",
            "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
            "1997-10-11 1997-11-08",
        ),
        (
            "1996-11-05",
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
            "2000-11-07 2004-11-02",
        ),
        (
            "1997-09-04",
            "FREQ=MONTHLY;BYDAY=TU,WE,TH;BYSETPOS=3",
            "1997-10-07 1997-11-06",
        ),
        (
            "1997-09-29",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
            "1997-10-30 1997-11-27 1997-12-30",
        ),
        (
            "1997-08-05",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO",
            "1997-08-10 1997-08-19 1997-08-24",
        ),
        (
            "1997-08-05",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU",
            "1997-08-17 1997-08-19 1997-08-31",
        ),
        (
            "2007-01-15",
            "FREQ=MONTHLY;BYMONTHDAY=15,30",
            "2007-01-30 2007-02-15 2007-03-15",
        ),
        (
            "1997-09-02",
            "FREQ=DAILY;BYMINUTE=0,20;BYHOUR=9,10",
            "1997-09-02T09:20 1997-09-02T10:00 1997-09-02T10:20 1997-09-03",
        ),
    ]);
}

#[test]
fn days_that_are_not_there_are_left_out() {
    come_again(&[
        ("2024-02-29", "FREQ=YEARLY", "2028-02-29 2032-02-29"),
        ("2027-01-31", "FREQ=MONTHLY", "2027-03-31 2027-05-31"),
        // A leap century.
        ("2396-02-29", "FREQ=YEARLY", "2400-02-29"),
        ("1896-02-29", "FREQ=YEARLY", "1904-02-29"),
        ("2026-12-31", "FREQ=YEARLY;BYYEARDAY=366", "2028-12-31"),
        (
            "2026-12-28",
            "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO",
            "2032-12-27",
        ),
        // The day of the week is the event's own.
        (
            "2026-05-13",
            "FREQ=YEARLY;BYWEEKNO=20",
            "2027-05-19 2028-05-17",
        ),
    ]);
}

/// What is skipped is not missed.
#[test]
fn a_later_beginning_finds_the_same() {
    let start: DateTime = "1990-05-31T09:00".parse().unwrap();
    for text in [
        "FREQ=DAILY;INTERVAL=7",
        "FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,SU;WKST=SU",
        "FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=-1,31",
        "FREQ=YEARLY;INTERVAL=3;BYMONTH=2;BYMONTHDAY=28,29",
        "FREQ=DAILY;INTERVAL=400",
        "FREQ=MONTHLY;INTERVAL=120",
    ] {
        let rule = recurrence(text, start);
        let near: Date = "2026-06-01".parse().unwrap();
        let until = "2030-01-01T00:00".parse().unwrap();
        let all = |near: Option<Date>| {
            let mut found = Vec::new();
            expand(&rule, start, near, &mut Budget(100_000), |at| {
                if at >= until {
                    return ControlFlow::Break(());
                }
                found.push(at);
                ControlFlow::Continue(())
            })
            .unwrap();
            found.retain(|at| at.date() >= "2026-06-01".parse().unwrap());
            found
        };
        assert_eq!(all(None), all(Some(near)), "{text}");
        assert!(
            !all(None).is_empty() || text.contains("400") || text.contains("120"),
            "{text}"
        );
    }
}

#[test]
fn what_never_matches_is_given_up() {
    let start: DateTime = "2026-01-01T00:00".parse().unwrap();
    let rule = recurrence("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", start);
    let mut seen = 0;
    let done = expand(&rule, start, None, &mut Budget(1_000), |_| {
        seen += 1;
        ControlFlow::Continue(())
    });
    assert_eq!((done, seen), (Err(Exhausted), 0));
    // And where the calendar ends.
    let done = expand(&rule, start, None, &mut Budget(1_000_000), |_| {
        ControlFlow::Continue(())
    });
    assert_eq!(done, Ok(()));
}
