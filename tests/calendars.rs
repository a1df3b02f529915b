//! Whatever stands in a calendar, the answer comes within a second, be it a refusal.
use std::time::{Duration, Instant};

use offhours::core::calendar::{Holidays, LARGEST_CALENDAR, Malformed, Zone};
use proptest::prelude::*;

/// A debug build on a busy machine gets more than a second.
const BOUND: Duration = Duration::from_secs(4);
const LONGEST_MESSAGE: usize = 300;

/// What it is, the text, and whether it is refused.
type Case = (&'static str, String, bool);

const BEGIN: &str = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20260101\n";
const END: &str = "\nEND:VEVENT\nEND:VCALENDAR\n";

fn calendar(events: &str) -> String {
    format!("BEGIN:VCALENDAR\r\n{events}END:VCALENDAR\r\n")
}

fn event(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("{line}\r\n")).collect();
    format!("BEGIN:VEVENT\r\n{lines}END:VEVENT\r\n")
}

/// Ten years of it.
fn read(text: &str) -> Result<Holidays, Vec<Malformed>> {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let at = |year: u32| format!("{year}-01-01T00:00:00Z").parse().unwrap();
    Holidays::read(text, &zone, at(2026), at(2036))
}

/// As often as there is room for in a file.
fn full(start: &str, piece: &str, end: &str) -> String {
    let room = usize::try_from(LARGEST_CALENDAR).unwrap() - start.len() - end.len();
    format!("{start}{}{end}", piece.repeat(room / piece.len()))
}

/// In one event.
fn in_event(line: &str, piece: &str) -> String {
    full(&format!("{BEGIN}{line}"), piece, END)
}

/// So many events, from a day on, with these lines.
fn many(count: usize, day: &str, lines: &str) -> String {
    let start = format!("DTSTART;VALUE=DATE:{day}\n{lines}");
    calendar(&event(&start).repeat(count))
}

fn all_answered(cases: &[Case]) {
    for (what, text, refused) in cases {
        let begin = Instant::now();
        let read = read(text);
        let elapsed = begin.elapsed();
        let messages = read.as_ref().err().into_iter().flatten();
        let messages: Vec<_> = messages.map(|wrong| &wrong.message).collect();
        println!("{what}: {elapsed:?} {:?}", messages.first());
        let spans = read.as_ref().map(|read| read.spans.all().len());
        assert_eq!(read.is_err(), *refused, "{what}: {spans:?}");
        assert!(elapsed < BOUND, "{what}: {elapsed:?}");
        let longest = messages.iter().map(|message| message.len()).max();
        assert!(longest < Some(LONGEST_MESSAGE), "{what}: {longest:?}");
    }
}

#[test]
fn lines_without_end() {
    let zone = "EXDATE;TZID=";
    all_answered(&[
        ("deep folds", in_event("SUMMARY:", "x\n "), false),
        ("folds of nothing", in_event("SUMMARY:", "\n\t"), false),
        (
            "a folded rule",
            in_event("RRULE:FREQ=DAILY;COUNT=1", "\n "),
            false,
        ),
        ("empty lines", full("", "\n", ""), true),
        ("empty lines in it", in_event("X:y\n", "\r\n"), false),
        ("short lines", in_event("X:y\n", "A:\n"), false),
        ("no lines", in_event("X:y\n", "x\n"), true),
        ("one long line", in_event("SUMMARY:", "x"), false),
        ("a long name", full("BEGIN:", "x", ""), true),
        (
            "a long name to end",
            full(&format!("{BEGIN}END:"), "x", ""),
            true,
        ),
        (
            "a long zone",
            full(
                &format!("{BEGIN}{zone}"),
                "/",
                &format!(":20260101T000000{END}"),
            ),
            true,
        ),
        (
            "many parameters",
            full(
                &format!("{BEGIN}EXDATE"),
                ";A=b",
                &format!(":20260101{END}"),
            ),
            false,
        ),
        ("quotes", in_event("EXDATE;A=", "\""), true),
        (
            "many exceptions",
            in_event("EXDATE;VALUE=DATE:20260101", ",20260102"),
            false,
        ),
        (
            "many dates",
            in_event("RDATE;VALUE=DATE:20260101", ",20260102"),
            true,
        ),
        ("many digits", in_event("DURATION:P1", "0"), true),
        (
            "control characters",
            in_event("SUMMARY:", "\u{1b}[2J"),
            false,
        ),
    ]);
}

#[test]
fn components_without_end() {
    let zones = |n| event(&format!("DTSTART;TZID=Nowhere/{n}:20260101T000000"));
    let moved = |n| {
        let time = format!("{:06}", n % 60 * 100 + n / 60 % 60);
        let series = "UID:a\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY;COUNT=2";
        let moved = format!("UID:a\nRECURRENCE-ID:20260101T{time}Z\nDTSTART:20260101");
        event(series) + &event(&moved)
    };
    all_answered(&[
        ("nesting", full("BEGIN:VCALENDAR\n", "BEGIN:A\n", ""), true),
        (
            "many calendars",
            full("", "BEGIN:VCALENDAR\nEND:VCALENDAR\n", ""),
            false,
        ),
        ("too many events", many(10_001, "20260101", ""), true),
        ("most events", many(10_000, "20260101", ""), false),
        (
            "many zones",
            calendar(&(0..9_000).map(zones).collect::<String>()),
            true,
        ),
        (
            "all moved",
            calendar(&(0..4_500).map(moved).collect::<String>()),
            false,
        ),
        (
            "all cancelled",
            many(9_000, "20260101", "STATUS:CANCELLED"),
            false,
        ),
        (
            "most yearly",
            many(10_000, "20000229", "RRULE:FREQ=YEARLY"),
            false,
        ),
        (
            "a few spans less",
            many(4_999, "19700315", "RRULE:FREQ=YEARLY;INTERVAL=3"),
            false,
        ),
    ]);
}

#[test]
fn rules_without_end() {
    let endless = "COUNT=1000000000000000000";
    let never = "BYMONTH=2;BYMONTHDAY=30";
    let sixty = (0..60).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let times = |rule: &str| {
        format!(
            "DTSTART:20260101T000000\nDURATION:PT1S\nRRULE:{rule};BYMINUTE={sixty};BYSECOND={sixty}"
        )
    };
    let rule = |lines: &str| format!("RRULE:{lines}");
    let freq = |every: &str, rest: &str| format!("RRULE:FREQ={every};{rest}");
    all_answered(&[
        (
            "every second",
            many(1, "20260101", &rule("FREQ=SECONDLY")),
            true,
        ),
        (
            "every second of the day",
            calendar(&event(&times("FREQ=DAILY"))),
            true,
        ),
        (
            "seconds in many rules",
            calendar(&event(&times("FREQ=YEARLY;COUNT=2")).repeat(1_500)),
            true,
        ),
        (
            "many rules",
            in_event("RRULE:FREQ=DAILY;COUNT=2", "\nRRULE:FREQ=DAILY;COUNT=2"),
            true,
        ),
        (
            "many parts",
            in_event("RRULE:FREQ=DAILY;COUNT=2", ";X=1"),
            true,
        ),
        (
            "many numbers",
            in_event("RRULE:FREQ=MONTHLY;COUNT=2;BYMONTHDAY=1", ",1"),
            false,
        ),
        (
            "many days",
            in_event("RRULE:FREQ=MONTHLY;COUNT=2;BYDAY=MO", ",TU"),
            false,
        ),
        (
            "a count of 10^18",
            many(1, "20260101", &freq("DAILY", endless)),
            false,
        ),
        (
            "a count beyond counting",
            many(1, "20260101", &freq("DAILY", &format!("{endless}000000"))),
            false,
        ),
        (
            "a long interval",
            many(
                1,
                "20260101",
                &freq("YEARLY", "INTERVAL=99999999999999999999"),
            ),
            false,
        ),
        (
            "long intervals",
            many(
                9_000,
                "20260101",
                &freq("WEEKLY", "INTERVAL=9223372036854775807"),
            ),
            false,
        ),
        (
            "an interval of nothing",
            many(1, "20260101", &freq("DAILY", "INTERVAL=0")),
            true,
        ),
        (
            "counted from the year 1",
            many(1, "00010101", &freq("WEEKLY", endless)),
            false,
        ),
        (
            "all counted from the year 1",
            many(
                2_000,
                "00010101",
                &freq("DAILY", &format!("BYHOUR=1;{endless}")),
            ),
            true,
        ),
        (
            "daily from the year 1",
            many(1, "00010101", &rule("FREQ=DAILY")),
            false,
        ),
        (
            "daily, many times",
            many(9_000, "20260101", &rule("FREQ=DAILY")),
            true,
        ),
        (
            "the year 9999",
            many(1, "99991231", "DURATION:P1000000W\nRRULE:FREQ=DAILY"),
            false,
        ),
        (
            "the year 0",
            many(
                1,
                "00000101",
                "DTEND;VALUE=DATE:99991231\nRRULE:FREQ=YEARLY",
            ),
            false,
        ),
        (
            "until the year 9999",
            many(1, "20260101", &freq("DAILY", "UNTIL=99991231T235959Z")),
            false,
        ),
        ("never", many(1, "20260101", &freq("YEARLY", never)), false),
        (
            "never, daily",
            many(9_000, "20260101", &freq("DAILY", never)),
            true,
        ),
        (
            "never to be counted",
            many(10, "20260101", &freq("DAILY", &format!("COUNT=5;{never}"))),
            true,
        ),
        (
            "never that many",
            many(9_000, "20260101", &freq("YEARLY", "BYDAY=MO;BYSETPOS=366")),
            true,
        ),
        (
            "longer than can be",
            many(1, "00010101", "DURATION:P99999999999999999999W"),
            true,
        ),
        (
            "for centuries",
            many(
                9_000,
                "00010101",
                "DURATION:P9999999999W\nRRULE:FREQ=WEEKLY",
            ),
            true,
        ),
        (
            "days of nonsense",
            many(
                1,
                "20260101",
                &freq("MONTHLY", "BYDAY=MO,53SU,-53SU,+1FR,5XX"),
            ),
            true,
        ),
    ]);
}

/// Pieces that lines are made of, so that many of them say something.
const PIECES: [&str; 40] = [
    "BEGIN:VCALENDAR",
    "END:VCALENDAR",
    "BEGIN:VEVENT",
    "END:VEVENT",
    "BEGIN:VTIMEZONE",
    "END:VTIMEZONE",
    "DTSTART",
    "DTEND",
    "DURATION",
    "RRULE",
    "RDATE",
    "EXDATE",
    "RECURRENCE-ID",
    "UID:a",
    "TZID",
    "STATUS:CANCELLED",
    ":",
    ";",
    "=",
    ",",
    "/",
    "\n",
    "\r\n",
    "\n ",
    "\"",
    ";VALUE=DATE:",
    ";TZID=Europe/Berlin:",
    "20270101",
    "T020000",
    "Z",
    "00010101",
    "99991231",
    "P1W",
    "PT1H",
    "FREQ=MONTHLY",
    "COUNT=",
    "BYDAY=-1MO",
    "BYMONTH=2",
    "INTERVAL=",
    "9",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in "\\PC*") {
        let _ = read(&text);
        let _ = read(&format!("{BEGIN}{text}{END}"));
    }

    #[test]
    fn any_pieces_are_answered_with_places(
        pieces in prop::collection::vec((0..PIECES.len(), any::<bool>()), 0..40),
    ) {
        let line = |(piece, ends): &(usize, bool)| format!("{}{}", PIECES[*piece], if *ends { "\n" } else { "" });
        let middle: String = pieces.iter().map(line).collect();
        for text in [middle.clone(), format!("{BEGIN}{middle}{END}"), format!("{BEGIN}RRULE:{middle}{END}")] {
            for wrong in read(&text).err().into_iter().flatten() {
                prop_assert!(text.get(wrong.range.clone()).is_some(), "{wrong:?}");
                prop_assert!(!wrong.message.is_empty());
            }
        }
    }
}
