//! Random installations and what befalls them; the same seed gives the same.

use std::fmt::Write;

use jiff::SignedDuration;
use offhours::simulate::{Faults, Happening, Longing};

use fastrand::Rng;

fn pick<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    of[rng.usize(0..of.len())]
}

/// When the month begins: clocks change in it, forward or back.
pub fn start(seed: u64) -> &'static str {
    ["2027-03-06T09:17:00Z", "2027-10-06T09:17:00Z"][usize::from(seed % 8 > 5)]
}

/// The ways to say on which days a window opens, how it ends, and from when until when it is valid. It opens every few
/// days, so that nothing waits for its turn for long.
fn recurrence(seed: u64, index: usize, days: &str, at: (i32, &str), hours: i32) -> String {
    let rng = &mut Rng::with_seed(seed ^ 0xda7e << index);
    let (start, minute) = at;
    let ends = match rng.u32(0..3) {
        0 => format!("end = \"{:02}:{minute}\"", (start + hours) % 24),
        _ => format!("duration = \"{hours}h\""),
    };
    let times = format!("start = \"{start:02}:{minute}\"\n{ends}");
    let mut text = match rng.u32(0..8) {
        0 => format!("dates = [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, -1, -3]\n{times}"),
        1 => format!("dates = [-1, 2, 4, 6, 9, 12, 15, 18, 21, 24, 27]\noffset = \"3d\"\n{times}"),
        2 => format!("days = \"Mon,Thu,1st Sat,2nd Tue,last Fri\"\noffset = \"1d\"\n{times}"),
        3 => {
            let times = times.replace('\n', ", ");
            format!("rules = [{{ days = \"{days}\", {times} }}, {{ dates = [10, -2], {times} }}]")
        }
        _ => format!("days = \"{days}\"\n{times}"),
    };
    let month = &self::start(seed)[..8];
    match rng.u32(0..10) {
        0 => write!(text, "\nvalid_from = \"{month}12\"").unwrap(),
        1 => write!(text, "\nvalid_until = \"{month}24T23:15\"").unwrap(),
        _ => {}
    }
    text
}

/// A file with a few apps, windows and jobs. With `less`, the same installation after a change: windows are
/// shorter, and one app and some jobs are gone.
pub fn installation(seed: u64, less: bool) -> String {
    let rng = &mut Rng::with_seed(seed);
    let zone = pick(
        rng,
        &[
            "Europe/Berlin",
            "UTC",
            "America/New_York",
            "Australia/Lord_Howe",
        ],
    );
    let accepted = pick(rng, &["each-role", "all"]);
    let lead = pick(rng, &["12h", "2h", "24h"]);
    let runs = rng.u32(1..6);
    // Of their own, so that the rest stays what it was.
    let own = &mut Rng::with_seed(seed ^ 0x3a12);
    let margin = pick(own, &["1h", "1h", "5h", "20h"]);
    let moved: Vec<i32> = (0..2).map(|_| own.i32(-2..3)).collect();
    let digest = match own.u32(0..5) {
        0 => "digest = \"Mon 09:00\"\n",
        1 => "digest = { tech = \"daily 08:30\" }\n",
        2 => "digest = { support = \"Mon,Thu 10:00\" }\ndigest_after = 1\n",
        3 => "digest_after = 1\n",
        _ => "",
    };
    let accepted = match own.u32(0..5) {
        0 => "[\"tech\"]".into(),
        _ => format!("\"{accepted}\""),
    };
    let mut text = format!(
        "name = \"played\"\ntime_zone = \"{zone}\"\n[mail]\ntransport = \"file\"\ndir = \"/tmp/mail\"\n\
         from = \"ops@example.org\"\n[contacts]\ntech = [\"a@example.org\", \"b@example.org\"]\n\
         support = [\"c@example.org\"]\nops = [\"o@example.org\"]\n[notice]\nlead = \"{lead}\"\nmargin = \"{margin}\"\n{digest}\
         to = [\"tech\"]\noperators = [\"ops\"]\naccepted = {accepted}\nalarm = {{ run = [\"/bin/alarm\"] }}\n\
         started = {}\n[limits]\nruns = {runs}\n\
         [control]\nsocket = \"/run/offhours/control.sock\"\ngroup = \"0\"\nroles = {{ leads = [\"0\"] }}\n",
        rng.bool()
    );
    let windows = ["night", "weekend"];
    for (index, name) in windows.iter().enumerate() {
        let days = if index == 0 {
            pick(rng, &["daily", "Mon-Fri"])
        } else {
            "Sat,Sun"
        };
        let hours = (rng.i32(1..7) - i32::from(less)).max(1);
        let (start, minute) = (rng.i32(18..24), pick(rng, &["00", "10", "45"]));
        let start = if less {
            (start + moved[index]).clamp(16, 23)
        } else {
            start
        };
        let cutoff = pick(rng, &["0s", "15m", "30m"]);
        let cron = index == 1 && rng.bool();
        let when = match cron {
            true => format!("cron = \"{minute} {start} * * 6,0\"\nduration = \"{hours}h\""),
            false => recurrence(seed, index, days, (start, minute), hours),
        };
        write!(text, "[window.{name}]\n{when}\ncutoff = \"{cutoff}\"\n").unwrap();
    }
    if rng.bool() {
        let from = rng.u32(8..20);
        let hour = rng.u32(0..24);
        let month = &start(seed)[..8];
        write!(
            text,
            "[freeze.fair]\nfrom = \"{month}{from:02}T{hour:02}:30\"\nuntil = \"{month}{:02}T01:00\"\nexcept_labels = [\"security\"]\n",
            from + rng.u32(1..3)
        )
        .unwrap();
    }
    let apps = rng.usize(1..4);
    for app in 0..apps {
        let gone = less && app == 0 && apps > 1;
        let hooks = rng.usize(0..3);
        let mut part = format!(
            "[app.app{app}]\nwindow = \"{}\"\nnotify = [\"tech\"{}]\n",
            windows[rng.usize(0..2)],
            if rng.bool() { ", \"support\"" } else { "" }
        );
        let enter: Vec<String> = (0..hooks)
            .map(|h| format!("{{ run = [\"/bin/down{h}\"], timeout = \"2m\" }}"))
            .collect();
        writeln!(part, "enter = [{}]", enter.join(", ")).unwrap();
        // Sometimes a change has other hooks.
        let up = match less && seed % 3 == 1 {
            true => "restore",
            false => "up",
        };
        writeln!(part, "leave = [{}]", enter.join(", ").replace("down", up)).unwrap();
        let jobs = rng.usize(1..4);
        for job in 0..jobs {
            let dropped = less && job == 2;
            let mut one =
                format!("[maintenance.m{app}{job}]\napp = \"app{app}\"\nrun = [\"/bin/job\"]\n");
            match rng.u32(0..4) {
                0 | 1 => one += "every = \"window\"\n",
                2 => one += "schedule = \"0 3 * * 2,5\"\n",
                _ => one += "schedule = \"30 23 */3 * *\"\n",
            }
            let long = rng.u32(0..3) == 0;
            let timeout = rng.u32(if long { 50..200 } else { 2..50 });
            writeln!(one, "timeout = \"{timeout}m\"").unwrap();
            if long || rng.bool() {
                one += "estimate = \"1m\"\n";
            }
            if job > 0 && rng.bool() {
                writeln!(one, "after = [\"m{app}{}\"]", job - 1).unwrap();
            } else if app > 0 && rng.bool() {
                let time = pick(rng, &["0s", "6h", "1d", "3d"]);
                if !less {
                    writeln!(
                        one,
                        "after = {{ job = \"m00\", succeeded_for = \"{time}\" }}"
                    )
                    .unwrap();
                }
            }
            if rng.u32(0..3) == 0 {
                one += "locks = [\"shared\"]\n";
            }
            if rng.u32(0..3) == 0 {
                one += "labels = [\"security\"]\n";
            }
            if rng.u32(0..3) == 0 {
                one += "only_if = { run = [\"/bin/ask\"] }\n";
            }
            if rng.u32(0..3) == 0 {
                one += "retry = { attempts = 3, backoff = \"2m\" }\n";
            }
            if rng.bool() {
                one += "on_failure = \"continue\"\n";
            }
            if rng.bool() {
                one += "on_interrupt = \"repeat\"\n";
            }
            writeln!(one, "priority = {}", rng.u32(0..3)).unwrap();
            if !dropped {
                part += &one;
            }
        }
        if !gone {
            text += &part;
        }
    }
    // Drawn apart: what is asked for only.
    let apart = &mut Rng::with_seed(seed ^ 0x9e57);
    for app in 0..apps.min(2) {
        if apart.bool() && !(less && app == 0 && apps > 1) {
            let timeout = apart.u32(2..40);
            let approval = match seed.wrapping_add(app as u64) % 3 {
                0 => "approval = \"leads\"\n",
                _ => "",
            };
            writeln!(
                text,
                "[maintenance.r{app}]\napp = \"app{app}\"\nrun = [\"/bin/job\"]\nevery = \"request\"\n{approval}timeout = \"{timeout}m\""
            )
            .unwrap();
        }
    }
    // On some a job goes over hosts.
    if seed % 4 == 2 && !(less && apps > 1) {
        let hosts = apart.u32(2..7);
        // Some have times of their own.
        let own_times = seed / 12 % 2 == 1;
        let labelled = own_times && seed / 24 % 2 == 1;
        for host in 0..hosts {
            let labels = match labelled && host + 1 == hosts {
                true => "\nlabels = [\"spare\"]",
                false => "",
            };
            let window = match own_times && host == 0 {
                true => "\nwindow = \"own\"",
                false => "",
            };
            writeln!(
                text,
                "[host.h{host}]\nssh = \"h{host}.example.org\"\ngroups = [\"h\"]{labels}{window}"
            )
            .unwrap();
        }
        if own_times {
            writeln!(
                text,
                "[window.own]\ndays = \"daily\"\nstart = \"00:40\"\nduration = \"20h\"\n[freeze.own]\ndays = \"Tue,Thu,Sat\"\nstart = \"02:30\"\nduration = \"19h\"\nhosts = [\"h1\"]"
            )
            .unwrap();
        }
        if labelled {
            text.push_str("[freeze.all-but-spare]\ndays = \"Mon,Wed,Fri\"\nstart = \"19:00\"\nduration = \"26h\"\nexcept_labels = [\"spare\"]\n");
        }
        let parallel = pick(apart, &["1", "2", "3", "\"50%\""]);
        let failures = pick(apart, &["0", "0", "1", "\"30%\""]);
        let canary = pick(
            apart,
            &["canary = 0", "canary = 1\nwait = \"2m\"", "canary = 1"],
        );
        let pause = pick(apart, &["0s", "0s", "90s"]);
        let healthy = pick(
            apart,
            &[
                "",
                "healthy = { run = [\"/bin/up\"], successes = 2, timeout = \"1m\" }\n",
            ],
        );
        let repeat = pick(apart, &["repeat", "carry"]);
        // Another app looks at the same hosts before it touches one of its own, which is looked at in turn.
        let service = match apps {
            1 => "\"@h\"",
            _ => "\"@h\", \"x\"",
        };
        if apps > 1 {
            writeln!(
                text,
                "[host.x]\nssh = \"x.example.org\"\n[maintenance.cross]\napp = \"app1\"\nwindow = \"night\"\nrun = [\"/bin/job\"]\nhosts = [\"x\"]\nschedule = \"0 1 * * 1,4\"\ntimeout = \"6m\"\nhealthy = {{ run = [\"/bin/up\"], timeout = \"1m\" }}\nin_service = [\"@h\"]\nat_least = 1"
            )
            .unwrap();
        }
        // Of the others enough have to be well before one is touched.
        let healthy = match (healthy, seed / 4 % 3) {
            ("", _) | (_, 0) => healthy.to_owned(),
            (healthy, 1) => format!("{healthy}in_service = [{service}]\nat_least = 1\n"),
            (healthy, _) => format!("{healthy}in_service = [{service}]\nat_least = \"50%\"\n"),
        };
        // On those whose hosts tell nothing it may go on beyond the window.
        let timeout = match seed % 8 {
            2 => "timeout = \"4h\"\nestimate = \"2m\"",
            _ => "timeout = \"6m\"",
        };
        writeln!(
            text,
            "[maintenance.roll]\napp = \"app0\"\nwindow = \"night\"\nrun = [\"/bin/job\"]\nhosts = [\"@h\"]\nschedule = \"0 1 * * 1,4\"\n{timeout}\nparallel = {parallel}\nmax_failures = {failures}\n{canary}\npause = \"{pause}\"\non_interrupt = \"{repeat}\"\n{healthy}"
        )
        .unwrap();
    }
    // On some machines its own restart is part of the maintenance, in the middle of it.
    if seed % 5 == 1 && !(less && apps > 1) {
        let lead = pick(apart, &["priority = -1\n", "priority = 1\n"]);
        writeln!(
            text,
            "[maintenance.boot]\napp = \"app0\"\nwindow = \"night\"\nrun = [\"/bin/job\"]\nreboot = true\nschedule = \"0 3 * * 2,5\"\ntimeout = \"9m\"\n{lead}"
        )
        .unwrap();
    }
    // The last app is there after the change too.
    freezes(rng, &mut text, &start(seed)[5..7], apps - 1);
    for job in 0..rng.u32(1..5) {
        let mut part = format!("[periodic.p{job}]\nrun = [\"/bin/job\"]\ngrace = \"5s\"\n");
        let schedule = pick(
            rng,
            &["0 * * * *", "*/30 * * * *", "15 2 * * *", "0 */6 * * *"],
        );
        writeln!(
            part,
            "schedule = \"{schedule}\"\ntimeout = \"{}m\"",
            rng.u32(1..50)
        )
        .unwrap();
        part += pick(rng, &["overlap = \"queue\"\n", ""]);
        match rng.u32(0..3) {
            0 => part += "missed = \"skip\"\n",
            1 => part += "missed_within = \"3h\"\n",
            _ => {}
        }
        if rng.u32(0..3) == 0 {
            let outside = pick(rng, &["defer", "skip"]);
            writeln!(part, "window = \"night\"\noutside = \"{outside}\"").unwrap();
        }
        let held = pick(rng, &["hold", "run"]);
        if rng.bool() && !less {
            writeln!(part, "app = \"app0\"\nduring_maintenance = \"{held}\"").unwrap();
        }
        if rng.u32(0..3) == 0 {
            part += "locks = [\"shared\"]\nlock_wait = \"2m\"\n";
        }
        if rng.u32(0..3) == 0 {
            part += "jitter = \"3m\"\n";
        }
        if rng.bool() {
            part += "retry = { attempts = 3, backoff = \"5m\" }\n";
        }
        text += &part;
    }
    text
}

/// Freezes that come again, of all or of some.
fn freezes(rng: &mut Rng, text: &mut String, month: &str, app: usize) {
    let some = |rng: &mut Rng| {
        let app = format!("apps = [\"app{app}\"]\n");
        let both = format!("windows = [\"night\"]\n{app}");
        let some = [
            "",
            &app,
            "windows = [\"night\"]\n",
            &both,
            "except_labels = [\"security\"]\n",
        ];
        pick(rng, &some).to_owned()
    };
    if rng.u32(0..4) == 0 {
        let day = rng.u32(8..20);
        let (from, until) = match rng.u32(0..3) {
            // Over the turn of the year.
            0 => ("12-20".to_owned(), format!("{month}-{day:02}")),
            1 => (
                format!("{month}-{day:02}"),
                format!("{month}-{:02}", day + rng.u32(1..3)),
            ),
            _ => (
                format!("{month}-{day:02}T20:15"),
                format!("{month}-{:02}T23:00", day + rng.u32(0..2)),
            ),
        };
        let some = some(rng);
        write!(
            text,
            "[freeze.yearly]\nfrom = \"{from}\"\nuntil = \"{until}\"\n{some}"
        )
        .unwrap();
    }
    if rng.u32(0..5) == 0 {
        let some = some(rng);
        write!(
            text,
            "[freeze.holidays]\ncalendar = \"holidays.ics\"\n{some}"
        )
        .unwrap();
    }
    if rng.u32(0..3) == 0 {
        let day = pick(rng, &["Wed", "Sat", "1st Thu,last Fri", "Mon,Tue"]);
        let when = match rng.u32(0..3) {
            0 => format!("open = \"{day} 00:00-24:00\""),
            1 => format!(
                "days = \"{day}\"\nstart = \"20:30\"\nduration = \"{}h\"",
                rng.u32(1..10)
            ),
            _ => format!(
                "rules = [{{ days = \"{day}\", start = \"18:00\", end = \"22:30\" }}, {{ days = \"Sun\", start = \"12:00\", end = \"23:15\" }}]"
            ),
        };
        let some = some(rng);
        writeln!(text, "[freeze.weekly]\n{when}\n{some}").unwrap();
    }
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What operators ask for, of half of all machines. No pause goes on when it is calm.
fn wishes(seed: u64, days: i64, list: &mut Vec<(SignedDuration, Happening)>) {
    let rng = &mut Rng::with_seed(seed ^ 0x315b);
    if rng.bool() {
        return;
    }
    let span = (days - 2) * 24 * 3600;
    let extra = &mut Rng::with_seed(seed ^ 0x9a17);
    for _ in 0..days / 2 {
        let at = SignedDuration::from_secs(rng.i64(0..span));
        let hours = SignedDuration::from_hours(rng.i64(1..40));
        let app = rng.bool().then(|| "app0".into());
        let job = ["r0", "m00", "m01", "r1"][rng.usize(0..4)].into();
        let nth = rng.usize(0..4);
        let longing = match rng.u32(0..10) {
            0..3 => Longing::Request {
                job,
                emergency: (extra.u32(0..6) == 0) | (seed % 9 == 1),
            },
            3 => Longing::Withdraw { job },
            4 => Longing::Cancel { nth },
            5 => Longing::Postpone { nth, by: None },
            6 => Longing::Postpone {
                nth,
                by: Some(hours),
            },
            7 => Longing::Pause {
                app,
                for_: Some(hours),
            },
            8 => Longing::Leave { app: "app0".into() },
            _ => Longing::Pause {
                app: app.clone(),
                for_: None,
            },
        };
        if let Longing::Pause { app, for_: None } = &longing {
            let app = app.clone();
            list.push((at + hours, Happening::Ask(Longing::Resume { app })));
        }
        // While it is in maintenance for that somebody thinks better of it.
        if let Longing::Request {
            emergency: true, ..
        } = &longing
            && extra.bool()
        {
            let soon = at + SignedDuration::from_secs(extra.i64(2..90));
            let leave = Longing::Leave { app: "app0".into() };
            list.push((soon, Happening::Ask(leave)));
            // And somebody changes the hooks meanwhile.
            if seed % 3 == 1 {
                let every = Rng::with_seed(seed ^ 0x7eaf).i64(5..30);
                for nth in 1..7 {
                    let then = soon + SignedDuration::from_secs(every * nth);
                    let index = usize::from(nth % 2 == 1);
                    list.push((then, Happening::Reload { index }));
                }
            }
        }
        if let Longing::Request { job, .. } = &longing {
            let job = job.clone();
            let own = extra.u32(0..4) == 0;
            let later = at + SignedDuration::from_secs(extra.i64(60..7200));
            list.push((later, Happening::Ask(Longing::Approve { job, own })));
        }
        list.push((at, Happening::Ask(longing)));
    }
    for app in [None, Some("app0".into())] {
        let resume = Longing::Resume { app };
        list.push((
            SignedDuration::from_hours(24 * days) + HOUR,
            Happening::Ask(resume),
        ));
    }
}

/// What befalls the machine within `days`; calm from then on.
pub fn happenings(seed: u64, days: i64, faults: Faults) -> Vec<(SignedDuration, Happening)> {
    let rng = &mut Rng::with_seed(seed ^ 0x5eed);
    let mut list = Vec::new();
    let span = days * 24 * 3600;
    let calm = SignedDuration::from_secs(span);
    if faults != Faults::None {
        for _ in 0..days / 2 {
            let at = SignedDuration::from_secs(rng.i64(0..span));
            let short = SignedDuration::from_secs(rng.i64(1..7200));
            list.push((
                at,
                match rng.u32(0..2) {
                    0 => Happening::HooksBroken { for_: short },
                    _ => Happening::LockHeld {
                        file: "shared.lock".into(),
                        for_: short,
                    },
                },
            ));
        }
    }
    if faults == Faults::All {
        for _ in 0..days {
            let mut second = rng.i64(0..span);
            // Half of it when something is going on: in the evening and at night.
            if rng.bool() {
                let midnight = second - second.rem_euclid(24 * 3600);
                second = (midnight + rng.i64(0..12 * 3600) + 9 * 3600).min(span - 1);
            }
            let at = SignedDuration::from_secs(second);
            let mut short = SignedDuration::from_secs(rng.i64(1..3600));
            if rng.u32(0..8) == 0 {
                short *= 24;
            }
            list.push((
                at,
                match rng.u32(0..13) {
                    0..5 => Happening::Kill {
                        // A larger number of things is done only while something is going on.
                        after: {
                            let most = [12, 200][usize::from(rng.bool())];
                            rng.u32(0..most)
                        },
                        down_for: short,
                    },
                    5..7 if seed.is_multiple_of(3) && rng.bool() => Happening::Restart {
                        down_for: SignedDuration::from_secs(5),
                    },
                    5..7 => Happening::Stop { down_for: short },
                    7 => Happening::ClockStep { by: short },
                    8 => Happening::ClockStep { by: -short },
                    9 => Happening::Suspend { for_: short },
                    10 => Happening::DiskFull {
                        for_: short,
                        spare: rng.u32(0..40),
                    },
                    11 => Happening::Rehearse {
                        app: "app0".into(),
                        jobs: rng.bool(),
                    },
                    _ => Happening::Reload {
                        index: rng.usize(0..2),
                    },
                },
            ));
        }
        list.push((calm - HOUR, Happening::Reload { index: 0 }));
        wishes(seed, days, &mut list);
    }
    list.push((calm, Happening::Calm));
    list
}
