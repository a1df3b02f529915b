//! Large files, hostile files, any files.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use offhours::config::{Env, LARGEST_FILE, Purpose};
use proptest::prelude::*;

use super::scene::Scene;

/// Generous: a debug build on a busy machine. What must not happen is work that grows with the square.
const BOUND: Duration = Duration::from_secs(20);

fn timed(scene: &Scene) -> (Duration, bool) {
    let begin = Instant::now();
    let result = scene.check();
    (begin.elapsed(), result.is_ok())
}

#[test]
fn ten_thousand_periodic_jobs_are_loaded() {
    let mut text = "time_zone = 'Europe/Berlin'\n[notice]\noperators = ['a@example.org']\n[window.w]\nopen = 'daily 01:00-03:00'\n".to_owned();
    for job in 0..10_000 {
        write!(
            text,
            "[periodic.job-{job}]\nschedule = '{} {} * * *'\nrun = ['echo', 'x{job}']\ntimeout = '5m'\nwindow = 'w'\nlocks = ['l{}']\n",
            job % 60,
            job % 24,
            job % 50
        )
        .unwrap();
    }
    let scene = Scene::new(&text);
    let (elapsed, ok) = timed(&scene);
    println!("10,000 periodic jobs: {elapsed:?}");
    assert!(ok && elapsed < BOUND, "{elapsed:?}");
}

#[test]
fn a_thousand_jobs_on_a_hundred_windows_are_looked_ahead() {
    let mut text = "time_zone = 'Europe/Berlin'\n[mail]\ntransport = 'file'\nfrom = 'a@example.org'\n[notice]\nto = ['a@example.org']\noperators = ['a@example.org']\n".to_owned();
    for window in 0..100 {
        write!(
            text,
            "[window.w{window}]\nopen = 'daily {:02}:00-{:02}:00'\n",
            window % 20,
            window % 20 + 3
        )
        .unwrap();
        write!(
            text,
            "[freeze.f{window}]\nfrom = 2026-12-20\nuntil = 2026-12-27\nexcept_labels = ['l{}']\n",
            window % 10
        )
        .unwrap();
    }
    text.push_str("[app.shop]\n");
    for job in 0..1_000 {
        write!(
            text,
            "[maintenance.j{job}]\napp = 'shop'\nwindow = 'w{}'\nrun = 'true'\nevery = 'window'\nafter = ['j{}']\nlabels = ['l{}']\n",
            job % 100,
            job + 1,
            job % 10
        )
        .unwrap();
    }
    text.push_str(
        "[maintenance.j1000]\napp = 'shop'\nwindow = 'w0'\nrun = 'true'\nevery = 'window'\n",
    );
    let scene = Scene::new(&text);
    let (elapsed, ok) = timed(&scene);
    println!("1,000 maintenance jobs on 100 windows: {elapsed:?}");
    assert!(ok && elapsed < BOUND, "{elapsed:?}");
}

#[test]
fn hostile_files_are_refused_soon() {
    let many = |line: &dyn Fn(usize) -> String| (0..50_000).map(line).collect::<String>();
    let cron = |table: &str, key: &str, text: &str| {
        format!("[{table}]\n{key} = '{text}0 * * * *'\nduration = '1h'\n")
    };
    let texts = [
        many(&|n| format!("key{n} = {n}\n")),
        format!("[mail]\n{}", many(&|n| format!("key{n} = {n}\n"))),
        many(&|n| format!("[app.a{n}]\nwindow = 'nowhere{n}'\n")),
        many(&|n| format!("[window.\"a b{n}\"]\nopen = 'Mon 22:00-23:00'\n")),
        many(&|_| "= \n".to_owned()),
        many(&|_| "[app.same]\n".to_owned()),
        "[".repeat(100_000),
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a = ".repeat(100_000)),
        format!("a{} = 1", ".a".repeat(100_000)),
        format!(
            "[window.a]\nopen = [{}]",
            many(&|_| "'Mon 22:00-23:00', ".to_owned())
        ),
        format!("[app.a]\nenter = [{}]", many(&|_| "{}, ".to_owned())),
        // Ten megabytes, a million days, crontabs of 100 kB, zones that do not exist.
        format!("{}= \n", "# nothing\n".repeat(1 << 20)),
        "key = 1\n".repeat(5 << 18),
        format!("key = '{}'", "x".repeat(10 << 20)),
        format!(
            "[window.a]\ndates = [{}]\nstart = '22:00'\nend = '23:00'",
            "1,".repeat(1_000_000)
        ),
        format!(
            "[window.a]\ndays = '{}'\nstart = '22:00'\nend = '23:00'",
            "Mon,".repeat(1_000_000)
        ),
        format!(
            "[window.a]\nopen = [{}]",
            "'Mon 22:00-23:00',".repeat(500_000)
        ),
        cron("window.a", "cron", &"0,".repeat(50_000)),
        cron("window.a", "cron", &"*/".repeat(50_000)),
        cron("periodic.a", "schedule", &"0-59/".repeat(20_000)),
        cron("periodic.a", "schedule", &" ".repeat(100_000)),
        many(&|n| format!("[window.a{n}]\nopen = 'Mon 22:00-23:00'\ntime_zone = 'Mars/{n}'\n")),
        format!("time_zone = '{}'", "Mars/".repeat(1 << 20)),
    ];
    for text in texts {
        let scene = Scene::new(&text);
        let (elapsed, ok) = timed(&scene);
        println!("{:?}…: {elapsed:?}", &text[..30]);
        assert!(
            !ok && elapsed < BOUND,
            "{}: {ok} after {elapsed:?}",
            &text[..30]
        );
        let told = scene.rendered(&Env::default(), Purpose::Check);
        assert!(
            told.len() < 1 << 20,
            "{}: {} bytes",
            &text[..30],
            told.len()
        );
    }
}

#[test]
fn long_lists_and_long_names_are_refused_soon() {
    let many = |most: usize, item: &dyn Fn(usize) -> String| {
        let items: Vec<String> = (0..most).map(item).collect();
        items.join(",")
    };
    let labels = many(200_000, &|n| format!("'l{n}'"));
    let people = many(1_000, &|n| format!("'p{n}@example.org'"));
    let roles = (0..100).map(|role| format!("r{role} = [{people}]\n"));
    let roles: String = roles.collect();
    let named = many(100, &|role| format!("'r{role}'"));
    let apps = (0..2_000).map(|app| format!("[app.a{app}]\nnotify = [{named}]\n"));
    let apps: String = apps.collect();
    let job = "app = 'a'\nwindow = 'w'\nevery = 'window'\nrun = 'true'\n";
    let texts = [
        // What was meant is looked for among the names, of which one is very long.
        format!(
            "[window.{}]\nopen = 'Mon 22:00-23:00'\n[app.a]\nwindow = '{}'\n",
            "a".repeat(4_000_000),
            "a".repeat(150)
        ),
        format!("[app.a]\n[maintenance.a]\n{job}labels = [{labels}]\n"),
        format!("[freeze.f]\nfrom = 2026-12-01\nuntil = 2026-12-02\nexcept_labels = [{labels}]\n"),
        format!("[app.a]\n[maintenance.a]\n{job}after = [{labels}]\n"),
        format!("[contacts]\n{roles}{apps}"),
        format!(
            "[app.a]\nenter = [{}]",
            many(20_000, &|_| "{run = 'true'}".to_owned())
        ),
    ];
    for text in texts {
        let scene = Scene::new(&text);
        let (elapsed, ok) = timed(&scene);
        assert!(
            !ok && elapsed < BOUND,
            "{}: {ok} after {elapsed:?}",
            &text[..30]
        );
    }
}

#[test]
fn windows_that_open_every_other_second_are_looked_at_in_time() {
    let window = |n| format!("[window.w{n}]\ncron = '*/2 * * * * *'\nduration = '1s'\n");
    let text: String = (0..20).map(window).collect();
    let (elapsed, ok) = timed(&Scene::new(&text));
    assert!(ok && elapsed < BOUND, "{ok} after {elapsed:?}");
}

#[test]
fn a_file_has_a_largest_size() {
    let scene = Scene::new("");
    let file = std::fs::File::options()
        .write(true)
        .open(scene.file())
        .unwrap();
    file.set_len(LARGEST_FILE + 1).unwrap();
    assert!(
        scene
            .rendered(&Env::default(), Purpose::Check)
            .contains("is larger than")
    );
}

/// Something like TOML, with keys that are known.
fn document() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "window.night",
        "app.shop",
        "maintenance.a",
        "periodic.p",
        "freeze.f",
        "open",
        "days",
        "start",
        "end",
        "duration",
        "cron",
        "from",
        "until",
        "rules",
        "cutoff",
        "run",
        "script",
        "timeout",
        "every",
        "schedule",
        "enter",
        "leave",
        "notify",
        "to",
        "lead",
        "mail",
        "transport",
        "listen",
        "contacts",
        "time_zone",
        "env",
        "umask",
        "retry",
        "after",
        "app",
        "window",
        "alarm",
        "name",
    ]);
    let value = prop_oneof![
        "[0-9TZ:+.-]{1,20}",
        "\"[ -!#-\\[\\]-~]{0,20}\"",
        "\"\\PC{0,10}\"",
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("[{ run = 'true' }]".to_owned()),
        Just("['night', 'shop', 'a@example.org']".to_owned()),
        Just("'Mon-Fri 22:00-05:00'".to_owned()),
        Just("2026-12-24".to_owned()),
        Just("'1h'".to_owned()),
        Just("'*/5 * * * *'".to_owned()),
        Just("true".to_owned()),
    ];
    let line = (key.clone(), value, any::<bool>()).prop_map(|(key, value, heading)| {
        if heading {
            format!("[{key}]\n")
        } else {
            format!("{key} = {value}\n")
        }
    });
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in prop_oneof![document(), "\\PC{0,200}", "[\\[\\]={}\"'a-c.\n#,0-9 ]{0,100}"]) {
        let scene = Scene::new(&text);
        for purpose in [Purpose::Check, Purpose::Run, Purpose::Read] {
            let refused = scene.load(&Env::default(), purpose).is_err();
            let told = scene.rendered(&Env::default(), purpose);
            prop_assert!(!refused || told.contains("error"), "{}", told);
            prop_assert_eq!(told.find('\x1b'), None);
        }
    }
}
