use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn calendar(events: &str) -> String {
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//EN\r\n{events}END:VCALENDAR\r\n")
}

fn event(lines: &str) -> String {
    let mut text = String::from("BEGIN:VEVENT\r\n");
    for line in lines.lines() {
        text += line.trim_start_matches('|');
        text += "\r\n";
    }
    text + "END:VEVENT\r\n"
}

fn read(text: &str) -> Result<Holidays, Vec<Malformed>> {
    let zone = Zone::named("Europe/Berlin").unwrap();
    Holidays::read(
        text,
        &zone,
        at("2026-01-01T00:00:00Z"),
        at("2036-01-01T00:00:00Z"),
    )
}

/// The spans of one event by the clock of Berlin.
fn spans(lines: &str) -> Vec<String> {
    local(&calendar(&event(lines)))
}

fn local(text: &str) -> Vec<String> {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let shown = |t: Timestamp| {
        zone.local(t)
            .strftime("%Y-%m-%dT%H:%M")
            .to_string()
            .replace("T00:00", "")
    };
    let all = read(text)
        .unwrap_or_else(|wrong| panic!("{wrong:?}\n{text}"))
        .spans;
    all.all()
        .iter()
        .map(|(a, b)| format!("{} {}", shown(*a), shown(*b)))
        .collect()
}

/// Each mistake with the text it stands on.
fn mistakes(text: &str) -> Vec<(String, String)> {
    let wrong = read(text).expect_err(text);
    wrong
        .into_iter()
        .map(|w| (w.message, text[w.range].to_owned()))
        .collect()
}

#[test]
fn whole_days_are_those_of_the_zone() {
    for (lines, wanted) in [
        (
            "DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261227",
            &["2026-12-25 2026-12-27"][..],
        ),
        ("DTSTART;VALUE=DATE:20261225", &["2026-12-25 2026-12-26"]),
        ("DTSTART:20261225\nDURATION:P2D", &["2026-12-25 2026-12-27"]),
        // Some programs write the end as the last day.
        (
            "DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261225",
            &["2026-12-25 2026-12-26"],
        ),
        // A day of 23 hours.
        (
            "dtstart;value=date:20270328\nrrule:freq=daily;count=2",
            &["2027-03-28 2027-03-30"],
        ),
        (
            "DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY;UNTIL=20281225",
            &[
                "2026-12-25 2026-12-26",
                "2027-12-25 2027-12-26",
                "2028-12-25 2028-12-26",
            ],
        ),
        (
            "DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY;UNTIL=20271225T000000Z",
            &["2026-12-25 2026-12-26", "2027-12-25 2027-12-26"],
        ),
        (
            "DTSTART;VALUE=DATE:20261225\nRDATE;VALUE=DATE:20271225,20281225\nEXDATE;VALUE=DATE:20261225",
            &["2027-12-25 2027-12-26", "2028-12-25 2028-12-26"],
        ),
        // Out of a calendar of Microsoft.
        (
            "DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY;COUNT=3\nEXDATE:20271224T230000Z",
            &["2026-12-25 2026-12-26", "2028-12-25 2028-12-26"],
        ),
        (
            "DTSTART;VALUE=DATE:20261225\nTRANSP:TRANSPARENT\nSTATUS:TENTATIVE",
            &["2026-12-25 2026-12-26"],
        ),
        ("DTSTART;VALUE=DATE:20261225\nSTATUS:CANCELLED", &[]),
        // What lies outside the years that were asked for.
        ("DTSTART;VALUE=DATE:20251231", &[]),
        (
            "DTSTART;VALUE=DATE:20251231\nDURATION:P2D",
            &["2025-12-31 2026-01-02"],
        ),
    ] {
        assert_eq!(spans(lines), wanted, "{lines}");
    }
}

#[test]
fn times_are_those_of_their_zones() {
    for (lines, wanted) in [
        (
            "DTSTART:20261224T180000\nDTEND:20261224T220000",
            "2026-12-24T18:00 2026-12-24T22:00",
        ),
        (
            "DTSTART:20261224T180000Z\nDTEND:20261224T220000Z",
            "2026-12-24T19:00 2026-12-24T23:00",
        ),
        (
            "DTSTART;TZID=America/New_York:20261224T120000\nDURATION:PT1H30M",
            "2026-12-24T18:00 2026-12-24T19:30",
        ),
        (
            "DTSTART;TZID=\"America/New_York\":20261224T120000\nDTEND:20261224T190000Z",
            "2026-12-24T18:00 2026-12-24T20:00",
        ),
        (
            "DTSTART;TZID=/example.org/2024a/Asia/Tokyo:20261225T020000\nDURATION:PT1H",
            "2026-12-24T18:00 2026-12-24T19:00",
        ),
        (
            "DTSTART;VALUE=DATE-TIME:20261224T180000\nDURATION:P1DT1H",
            "2026-12-24T18:00 2026-12-25T19:00",
        ),
        (
            "DTSTART:20261224T180000\nDURATION:P1W",
            "2026-12-24T18:00 2026-12-31T18:00",
        ),
        // The hour that does not exist, and the one that comes twice.
        (
            "DTSTART:20270328T023000\nDURATION:PT1H",
            "2027-03-28T03:00 2027-03-28T04:00",
        ),
        (
            "DTSTART:20271031T023000\nDURATION:PT1H",
            "2027-10-31T02:30 2027-10-31T02:30",
        ),
        // A leap second.
        (
            "DTSTART:20261224T180060\nDURATION:PT1H",
            "2026-12-24T18:00 2026-12-24T19:00",
        ),
    ] {
        assert_eq!(spans(lines), [wanted], "{lines}");
    }
}

/// As with windows: an end is a time by the clock, a duration has elapsed.
#[test]
fn an_end_is_by_the_clock_and_a_duration_elapses() {
    let nights = "DTSTART:20270327T220000\nRRULE:FREQ=DAILY;COUNT=2\n";
    assert_eq!(
        spans(&format!("{nights}DTEND:20270328T060000")),
        [
            "2027-03-27T22:00 2027-03-28T06:00",
            "2027-03-28T22:00 2027-03-29T06:00"
        ]
    );
    assert_eq!(
        spans(&format!("{nights}DURATION:PT8H")),
        [
            "2027-03-27T22:00 2027-03-28T07:00",
            "2027-03-28T22:00 2027-03-29T06:00"
        ]
    );
    // Days of a duration are those of the calendar.
    assert_eq!(
        spans(&format!("{nights}DURATION:P1D")),
        ["2027-03-27T22:00 2027-03-29T22:00"]
    );
}

#[test]
fn series_have_exceptions_and_moved_occurrences() {
    let series = "UID:a\nDTSTART;TZID=Europe/Berlin:20270104T200000\nDTEND;TZID=Europe/Berlin:20270104T210000\nRRULE:FREQ=WEEKLY;COUNT=4\n";
    let without = "EXDATE;TZID=Europe/Berlin:20270111T200000\nEXDATE:20270118T190000Z";
    assert_eq!(
        spans(&format!("{series}{without}")),
        [
            "2027-01-04T20:00 2027-01-04T21:00",
            "2027-01-25T20:00 2027-01-25T21:00"
        ]
    );
    let moved = event(
        "UID:a\nRECURRENCE-ID;TZID=Europe/Berlin:20270111T200000\nDTSTART;TZID=Europe/Berlin:20270112T100000\nDURATION:PT2H",
    );
    let gone = event(
        "UID:a\nRECURRENCE-ID:20270118T190000Z\nDTSTART:20270118T190000Z\nDURATION:PT1H\nSTATUS:CANCELLED",
    );
    let other =
        event("UID:b\nRECURRENCE-ID:20270125T190000Z\nDTSTART:20270126T190000Z\nDURATION:PT1H");
    assert_eq!(
        local(&calendar(
            &(moved.clone() + &event(series) + &gone + &other)
        )),
        [
            "2027-01-04T20:00 2027-01-04T21:00",
            "2027-01-12T10:00 2027-01-12T12:00",
            "2027-01-25T20:00 2027-01-25T21:00",
            "2027-01-26T20:00 2027-01-26T21:00",
        ]
    );
    // Moved first, then taken out.
    assert_eq!(
        local(&calendar(&(event(&format!("{series}{without}")) + &moved))).len(),
        2
    );
    // By the day, also where the series has times.
    assert_eq!(
        spans(&format!(
            "{series}EXDATE;VALUE=DATE:20270104,20270111,20270118"
        ))
        .len(),
        1
    );
    assert_eq!(
        spans(
            "DTSTART:20270104T200000\nDURATION:PT1H\nRDATE;VALUE=PERIOD:20270105T100000/20270105T113000,20270106T100000/PT30M\nRDATE:20270107T100000"
        ),
        [
            "2027-01-04T20:00 2027-01-04T21:00",
            "2027-01-05T10:00 2027-01-05T11:30",
            "2027-01-06T10:00 2027-01-06T10:30",
            "2027-01-07T10:00 2027-01-07T11:00",
        ]
    );
}

#[test]
fn only_the_last_revision_counts() {
    let of = |day: u8, sequence: &str| {
        event(&format!(
            "UID:a\nDTSTART;VALUE=DATE:202701{day:02}\n{sequence}"
        ))
    };
    assert_eq!(
        local(&calendar(
            &(of(4, "SEQUENCE:1") + &of(6, "SEQUENCE:2") + &of(8, ""))
        )),
        ["2027-01-06 2027-01-07"]
    );
    // Names that are not unique are no revisions.
    assert_eq!(local(&calendar(&(of(4, "") + &of(6, "")))).len(), 2);
    assert_eq!(
        read(&calendar(&(of(4, "") + &of(6, "STATUS:CANCELLED"))))
            .unwrap()
            .events,
        1
    );
}

#[test]
fn other_components_are_passed_over() {
    let alarm =
        "BEGIN:VALARM\r\nTRIGGER:-PT15M\r\nDURATION:PT1H\r\nDTSTART:nonsense\r\nEND:VALARM\r\n";
    let text = event("DTSTART;VALUE=DATE:20261225\nSUMMARY:Chri\n stmas\nX-OWN;A=\"b:c\":DTSTART")
        .replace("END:VEVENT", &format!("{alarm}END:VEVENT"));
    let todo = "BEGIN:VTODO\r\nDTSTART:nonsense\r\nEND:VTODO\r\n";
    let one = calendar(&(todo.to_owned() + &text));
    let wanted = ["2026-12-25 2026-12-26"];
    assert_eq!(local(&one), wanted);
    assert_eq!(local(&one.replace("\r\n", "\n")), wanted);
    assert_eq!(local(&format!("\u{feff}{one}")), wanted);
    assert_eq!(
        local(&one.to_lowercase().replace("europe/berlin", "Europe/Berlin")),
        wanted
    );
    // Two calendars in one file.
    assert_eq!(
        local(&format!(
            "{one}{}",
            calendar(&event("DTSTART;VALUE=DATE:20270101"))
        ))
        .len(),
        2
    );
}

#[test]
fn the_zones_of_other_programs() {
    let zone = "BEGIN:VTIMEZONE\r\nTZID:Berlin of old\r\nX-LIC-LOCATION:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";
    let event = event("DTSTART;TZID=Berlin of old:20261224T180000\nDURATION:PT1H");
    assert_eq!(
        local(&calendar(&(event.clone() + zone))),
        ["2026-12-24T18:00 2026-12-24T19:00"]
    );
    let bare = calendar(&(zone.replace("X-LIC-LOCATION", "X-OTHER") + &event));
    let wrong = mistakes(&bare);
    assert_eq!(
        wrong[0].0,
        "no time zone \"Berlin of old\" in this system's database"
    );
    assert_eq!(wrong[0].1, "DTSTART;TZID=Berlin of old:20261224T180000");
}

#[test]
fn what_lasts_no_time_is_counted() {
    let text = calendar(
        &(event("DTSTART:20261224T180000")
            + &event("DTSTART:20261225T180000\nDTEND:20261225T180000")
            + &event("DTSTART;VALUE=DATE:20261225")),
    );
    let read = read(&text).unwrap();
    let (count, first) = read.momentary.unwrap();
    assert_eq!((count, &text[first]), (2, "DTSTART:20261224T180000"));
    assert_eq!((read.events, read.spans.all().len()), (3, 1));
    assert!(self::read(&calendar("")).is_ok_and(|read| read.events == 0));
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let day = "DTSTART;VALUE=DATE:20261225\n";
    for (lines, message, shown) in [
        (
            "SUMMARY:x",
            "this event says nowhere when it begins",
            "BEGIN:VEVENT",
        ),
        ("DTSTART:2026-12-25", "this is no date", "2026-12-25"),
        ("DTSTART:20261325", "this is no date", "20261325"),
        ("DTSTART:20270229", "this is no date", "20270229"),
        ("DTSTART:20261225T2500", "this is no time", "20261225T2500"),
        (
            "DTSTART:20261225T250000",
            "this is no time",
            "20261225T250000",
        ),
        (
            "DTSTART;VALUE=DATE:20261225T100000",
            "a time stands where a day is announced",
            "20261225T100000",
        ),
        ("DTSTART:", "this is no date", ""),
        (
            &format!("{day}{day}"),
            "DTSTART is given twice",
            "DTSTART;VALUE=DATE:20261225",
        ),
        (
            &format!("{day}DTEND:20261226T100000"),
            "one end of this event is a day, the other a time",
            "DTEND:20261226T100000",
        ),
        (
            &format!("{day}DTEND;VALUE=DATE:20261224"),
            "this event ends before it begins",
            "DTEND;VALUE=DATE:20261224",
        ),
        (
            "DTSTART:20261225T100000\nDTEND:20261225T090000",
            "this event ends before it begins",
            "DTEND:20261225T090000",
        ),
        (
            &format!("{day}DTEND:20261226\nDURATION:P1D"),
            "DTEND and DURATION exclude each other",
            "DURATION:P1D",
        ),
        (
            &format!("{day}DURATION:PT1H"),
            "a whole day does not last hours",
            "DURATION:PT1H",
        ),
        (
            &format!("{day}DURATION:-P1D"),
            "this lasts less than nothing",
            "-P1D",
        ),
        (&format!("{day}DURATION:1D"), "this is no duration", "1D"),
        (&format!("{day}DURATION:P"), "this is no duration", "P"),
        (&format!("{day}DURATION:P1H"), "this is no duration", "P1H"),
        (
            &format!("{day}DURATION:P1DT"),
            "this is no duration",
            "P1DT",
        ),
        (&format!("{day}DURATION:Pä"), "this is no duration", "Pä"),
        (
            &format!("{day}EXRULE:FREQ=DAILY"),
            "EXRULE is not read",
            "EXRULE:FREQ=DAILY",
        ),
        (
            &format!("{day}RECURRENCE-ID;RANGE=THISANDFUTURE:20261225"),
            "RANGE is not read: this event changes all that follow it",
            "RECURRENCE-ID;RANGE=THISANDFUTURE:20261225",
        ),
        (
            &format!("{day}RDATE:20261225T100000"),
            "one beginning of this event is a day, another a time",
            "20261225T100000",
        ),
        (&format!("{day}EXDATE:20261224,"), "this is no date", ""),
        (
            &format!("{day}RRULE:FREQ=SECONDLY"),
            "this frequency is not read: a freeze recurs daily, weekly, monthly or yearly",
            "FREQ=SECONDLY",
        ),
        (&format!("{day}RRULE:"), "a rule needs FREQ", "RRULE:"),
        (
            &format!("{day}RRULE:COUNT=2"),
            "a rule needs FREQ",
            "RRULE:COUNT=2",
        ),
        (
            &format!("{day}RRULE:FREQ=DAILY;FREQ=WEEKLY"),
            "this part is given twice",
            "FREQ=WEEKLY",
        ),
        (
            &format!("{day}RRULE:FREQ=DAILY;INTERVAL=0"),
            "an interval is 1 or more",
            "INTERVAL=0",
        ),
        (
            &format!("{day}RRULE:FREQ=DAILY;INTERVAL=-1"),
            "an interval is 1 or more",
            "INTERVAL=-1",
        ),
        (
            &format!("{day}RRULE:FREQ=DAILY;COUNT=0"),
            "a count is 1 or more",
            "COUNT=0",
        ),
        (
            &format!("{day}RRULE:FREQ=DAILY;COUNT=2;UNTIL=20270101"),
            "COUNT and UNTIL exclude each other",
            "RRULE:FREQ=DAILY;COUNT=2;UNTIL=20270101",
        ),
        (
            &format!("{day}RRULE:FREQ=DAILY;UNTIL=soon"),
            "this is no date",
            "soon",
        ),
        (
            &format!("{day}RRULE:FREQ=WEEKLY;BYDAY=XX"),
            "a day here is none: MO, 1SU or -1FR",
            "BYDAY=XX",
        ),
        (
            &format!("{day}RRULE:FREQ=WEEKLY;BYDAY=MO,"),
            "a day here is none: MO, 1SU or -1FR",
            "BYDAY=MO,",
        ),
        (
            &format!("{day}RRULE:FREQ=MONTHLY;BYDAY=0MO"),
            "a day here is none: MO, 1SU or -1FR",
            "BYDAY=0MO",
        ),
        (
            &format!("{day}RRULE:FREQ=MONTHLY;BYDAY=99MO"),
            "a day here is none: MO, 1SU or -1FR",
            "BYDAY=99MO",
        ),
        (
            &format!("{day}RRULE:FREQ=MONTHLY;BYDAY=é"),
            "a day here is none: MO, 1SU or -1FR",
            "BYDAY=é",
        ),
        (
            &format!("{day}RRULE:FREQ=YEARLY;BYMONTH=13"),
            "a number here is none, or not possible",
            "BYMONTH=13",
        ),
        (
            &format!("{day}RRULE:FREQ=YEARLY;BYMONTH=-1"),
            "a number here is none, or not possible",
            "BYMONTH=-1",
        ),
        (
            &format!("{day}RRULE:FREQ=MONTHLY;BYMONTHDAY=0"),
            "a number here is none, or not possible",
            "BYMONTHDAY=0",
        ),
        (
            &format!("{day}RRULE:FREQ=MONTHLY;BYMONTHDAY=99999999999999999999"),
            "a number here is none, or not possible",
            "BYMONTHDAY=99999999999999999999",
        ),
        (
            &format!("{day}RRULE:FREQ=YEARLY;BYEASTER=0"),
            "this part of a rule is not known",
            "BYEASTER=0",
        ),
        (
            &format!("{day}RRULE:FREQ=DAILY;SKIP"),
            "this is no part of a rule",
            "SKIP",
        ),
        (
            &format!("{day}RRULE:FREQ=WEEKLY;WKST=1"),
            "this is no weekday",
            "WKST=1",
        ),
        (
            &format!("{day}RRULE:FREQ=WEEKLY;BYDAY=1MO"),
            "a numbered day (1SU) needs FREQ=MONTHLY or FREQ=YEARLY",
            "RRULE:FREQ=WEEKLY;BYDAY=1MO",
        ),
        (
            &format!("{day}RRULE:FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO"),
            "a numbered day (1SU) does not go with BYWEEKNO",
            "RRULE:FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO",
        ),
        (
            &format!("{day}RRULE:FREQ=MONTHLY;BYWEEKNO=1"),
            "BYWEEKNO needs FREQ=YEARLY",
            "RRULE:FREQ=MONTHLY;BYWEEKNO=1",
        ),
        (
            &format!("{day}RRULE:FREQ=DAILY;BYYEARDAY=1"),
            "BYYEARDAY needs FREQ=YEARLY",
            "RRULE:FREQ=DAILY;BYYEARDAY=1",
        ),
        (
            &format!("{day}RRULE:FREQ=WEEKLY;BYMONTHDAY=1"),
            "BYMONTHDAY does not go with FREQ=WEEKLY",
            "RRULE:FREQ=WEEKLY;BYMONTHDAY=1",
        ),
    ] {
        let wrong = mistakes(&calendar(&event(lines)));
        assert_eq!(wrong, [(message.to_owned(), shown.to_owned())], "{lines}");
    }
}

#[test]
fn what_is_no_calendar_is_refused() {
    let no_calendar = "this is no calendar: it does not begin with BEGIN:VCALENDAR";
    for (text, message, shown) in [
        ("", no_calendar, ""),
        ("\r\n\r\n", no_calendar, ""),
        (
            "<!DOCTYPE html>\n<html><a href=\"webcal://x\">\n",
            no_calendar,
            "",
        ),
        ("VERSION:2.0\n", no_calendar, "VERSION:2.0"),
        ("END:VCALENDAR\n", no_calendar, "END:VCALENDAR"),
        (
            "BEGIN:VEVENT\nDTSTART:20261225\nEND:VEVENT\n",
            no_calendar,
            "BEGIN:VEVENT",
        ),
        (
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:2026",
            "VEVENT is not ended: the calendar is cut off",
            "BEGIN:VEVENT",
        ),
        (
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n",
            "END:VCALENDAR stands where VEVENT is open",
            "END:VCALENDAR",
        ),
        (
            "BEGIN:VCALENDAR\nEND:VCALENDAR\nEND:VCALENDAR\n",
            "END:VCALENDAR ends nothing",
            "END:VCALENDAR",
        ),
        (
            "BEGIN:VCALENDAR\nEND:VCALENDAR\nVERSION:2.0\n",
            "this stands behind the end of the calendar",
            "VERSION:2.0",
        ),
        (
            "BEGIN:VCALENDAR\nthe rest is\nEND:VCALENDAR\n",
            "this is no line of a calendar",
            "the rest is",
        ),
    ] {
        assert_eq!(
            mistakes(text),
            [(message.to_owned(), shown.to_owned())],
            "{text}"
        );
    }
    let all = mistakes(&calendar(&event("DTSTART:x").repeat(50)));
    assert_eq!(all.len(), MOST_MISTAKES);
}
