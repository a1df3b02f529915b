//! Freezes as they are read, and the files of holidays that they name.

use std::fs;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use offhours::config::{Env, Purpose};
use offhours::core::calendar::LARGEST_CALENDAR;

use super::scene::{Scene, messages};

const HEAD: &str = "time_zone = 'Europe/Berlin'\n[window.night]\nopen = 'daily 22:00-05:00'\n";
const CALENDAR: &str = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261225\r\nRRULE:FREQ=YEARLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

fn with(freezes: &str) -> Scene {
    Scene::new(&format!("{HEAD}{freezes}"))
}

/// The spans of each freeze in two years.
fn spans(scene: &Scene) -> Vec<Vec<String>> {
    let loaded = scene
        .check()
        .unwrap_or_else(|refused| panic!("{refused:?}"));
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let (from, until) = (at("2026-12-01T00:00:00Z"), at("2028-12-01T00:00:00Z"));
    let shown = |freeze: &offhours::core::calendar::Freeze| {
        let local = |t| freeze.zone.local(t).strftime("%m-%d %H:%M").to_string();
        let spans = freeze.spans(from, until);
        spans
            .iter()
            .take(3)
            .map(|s| format!("{} {}", local(s.0), local(s.1)))
            .collect()
    };
    loaded.policy.freezes.iter().map(shown).collect()
}

#[test]
fn each_form_is_read() {
    let scene = with(
        r#"
        [freeze.once]
        from = 2026-12-18
        until = "2027-01-02T12:00+01:00"
        [freeze.yearly]
        from = "12-18T18:00"
        until = "01-02"
        time_zone = "America/New_York"
        [freeze.days]
        days = ["last Fri", "1st Mon"]
        start = "06:00"
        duration = "1d"
        [freeze.cron]
        cron = "30 12 24 12 *"
        duration = "2h"
        [freeze.open]
        open = "Sat 22:00-02:00"
        [freeze.rules]
        rules = [{ days = "2nd Tue", start = "10:00", end = "11:00" }, { from = "2027-02-01", until = "2027-04-01" }]
        [freeze.calendar]
        calendar = "holidays.ics"
        description = "public holidays"
        "#,
    );
    scene.write("holidays.ics", CALENDAR);
    let wanted: [&[&str]; 7] = [
        &["12-18 00:00 01-02 12:00"],
        &["12-18 18:00 01-02 00:00", "12-18 18:00 01-02 00:00"],
        &[
            "12-07 06:00 12-08 06:00",
            "12-25 06:00 12-26 06:00",
            "01-04 06:00 01-05 06:00",
        ],
        &["12-24 12:30 12-24 14:30", "12-24 12:30 12-24 14:30"],
        &[
            "12-05 22:00 12-06 02:00",
            "12-12 22:00 12-13 02:00",
            "12-19 22:00 12-20 02:00",
        ],
        &[
            "12-08 10:00 12-08 11:00",
            "01-12 10:00 01-12 11:00",
            "02-01 00:00 04-01 00:00",
        ],
        &["12-25 00:00 12-26 00:00", "12-25 00:00 12-26 00:00"],
    ];
    assert_eq!(spans(&scene), wanted);
    let policy = scene.check().unwrap().policy;
    assert_eq!(
        policy.freezes[6].description.as_deref(),
        Some("public holidays")
    );
}

#[test]
fn a_calendar_lies_beside_the_file_that_names_it() {
    let scene = with("[freeze.main]\ncalendar = 'holidays.ics'\n");
    scene.write("holidays.ics", CALENDAR);
    scene.write(
        "windows.d/more.toml",
        "[freeze.more]\ncalendar = 'holidays.ics'\n",
    );
    scene.write("windows.d/holidays.ics", &CALENDAR.replace("1225", "0101"));
    let found = spans(&scene);
    assert_eq!(
        (&*found[0][0], &*found[1][0]),
        ("12-25 00:00 12-26 00:00", "01-01 00:00 01-02 00:00")
    );
}

/// One file in two zones: it is read once, and means other instants.
#[test]
fn days_are_those_of_the_freeze() {
    let scene = with(
        "[freeze.a]\ncalendar = 'holidays.ics'\n[freeze.b]\ncalendar = 'holidays.ics'\ntime_zone = 'Asia/Tokyo'\n",
    );
    scene.write("holidays.ics", CALENDAR);
    let policy = scene.check().unwrap().policy;
    let first = |n: usize| {
        policy.freezes[n].coming(super::scene::now())[0]
            .0
            .to_string()
    };
    assert_eq!(
        (first(0), first(1)),
        ("2026-12-24T23:00:00Z".into(), "2026-12-24T15:00:00Z".into())
    );
}

#[test]
fn a_calendar_that_others_can_write_is_refused() {
    for purpose in [Purpose::Check, Purpose::Run, Purpose::Read] {
        let scene = with("[freeze.a]\ncalendar = 'sub/holidays.ics'\n");
        scene.write("sub/holidays.ics", CALENDAR);
        scene.mode("sub/holidays.ics", 0o666);
        let said = messages(&scene.load(&Env::default(), purpose));
        assert!(
            said.iter().any(|m| m.contains("can be written by others")),
            "{said:?}"
        );
        scene.mode("sub/holidays.ics", 0o644);
        scene.mode("sub", 0o777);
        let said = messages(&scene.load(&Env::default(), purpose));
        assert!(
            said.iter().any(|m| m.contains("can be written by others")),
            "{said:?}"
        );
    }
}

#[test]
fn junk_is_refused_with_its_line() {
    let scene = with("[freeze.a]\ncalendar = 'holidays.ics'\n");
    let path = scene.write("holidays.ics", "");
    let junk = CALENDAR.replace("END:VEVENT", "SUMMARY:Dreik\u{1}nig\r\nEND:VEVENT");
    let bytes: Vec<u8> = junk
        .bytes()
        .map(|b| if b == 1 { 0xf6 } else { b })
        .collect();
    fs::write(&path, bytes).unwrap();
    let said = scene.rendered(&Env::default(), Purpose::Check);
    assert!(
        said.contains("holidays.ics is not UTF-8 (line 5, byte"),
        "{said}"
    );
    assert!(
        said.contains("calendar = 'holidays.ics'") && said.contains("iconv"),
        "{said}"
    );

    let large = format!("{CALENDAR}{}", "\n".repeat(1 << 20));
    fs::write(&path, &large).unwrap();
    let said = scene.rendered(&Env::default(), Purpose::Check);
    assert!(
        said.contains(&format!("larger than {LARGEST_CALENDAR} bytes")),
        "{said}"
    );

    fs::write(&path, CALENDAR.replace("END:VEVENT", "\0")).unwrap();
    let said = scene.rendered(&Env::default(), Purpose::Check);
    assert!(said.contains("this is no line of a calendar"), "{said}");
    assert!(said.contains("holidays.ics:5:1"), "{said}");
}

#[test]
fn many_calendars_are_refused_soon() {
    let freezes: String = (0..200)
        .map(|n| format!("[freeze.f{n}]\ncalendar = 'c{n}.ics'\n"))
        .collect();
    let scene = with(&freezes);
    // As much work as one calendar may make.
    let event = "BEGIN:VEVENT\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY\nEND:VEVENT\n";
    let text = format!("BEGIN:VCALENDAR\n{}END:VCALENDAR\n", event.repeat(5));
    for n in 0..200 {
        scene.write(&format!("c{n}.ics"), &text);
    }
    let begin = Instant::now();
    let said = messages(&scene.check());
    let elapsed = begin.elapsed();
    println!("200 calendars: {elapsed:?}");
    assert!(
        said.iter()
            .any(|m| m == "more than 100 freezes by calendars"),
        "{said:?}"
    );
    assert!(elapsed < Duration::from_secs(60), "{elapsed:?}");
}

/// What becomes wrong by the passing of time keeps no daemon down.
#[test]
fn a_daemon_comes_up_with_a_calendar_that_never_ends() {
    let scene = with("[freeze.a]\ncalendar = 'holidays.ics'\n");
    scene.write(
        "holidays.ics",
        &CALENDAR.replace("YEARLY", "DAILY").replace("2026", "2020"),
    );
    assert!(scene.check().is_err());
    let run = scene.load(&Env::default(), Purpose::Run);
    assert!(messages(&run).iter().any(|m| m.contains("never ends")));
    assert!(run.is_ok());
}
