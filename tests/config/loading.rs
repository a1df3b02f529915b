//! What a good file becomes, and where files and secrets are looked for.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use jiff::SignedDuration;
use offhours::config::{Env, MailConfig, MailHost, Purpose, Severity, SmtpConfig, Tls, Way, find};
use offhours::core::policy::{Due, Missed, Outside, Overlap};
use secrecy::ExposeSecret;

use super::scene::{Scene, messages};

const BASE: &str = r#"
time_zone = "Europe/Berlin"
[mail]
transport = "file"
from = "Operations <ops@example.org>"
[notice]
to = ["technical", "manager@example.org"]
operators = ["technical"]
[contacts]
technical = ["Ops <ops@example.org>", { email = "de@example.org", language = "de", time_zone = "Europe/Paris" }]
[window.night]
open = "Mon-Fri 22:00-05:00"
[app.shop]
window = "night"
leave = [{ run = "true", timeout = "7m" }, { run = "true" }]
"#;

fn with(more: &str) -> Scene {
    Scene::new(&format!("{BASE}{more}"))
}

fn env(pairs: &[(&str, &str)]) -> Env {
    pairs.iter().copied().collect()
}

#[test]
fn what_is_left_out_has_its_default() {
    let scene = with(
        r#"
        [maintenance.z]
        app = "shop"
        run = ["true", "x"]
        every = "window"
        [maintenance.a]
        app = "shop"
        script = "echo"
        schedule = "0 0 * * 6"
        [periodic.p]
        schedule = "@hourly"
        run = "true"
        timeout = "5m"
        "#,
    );
    let loaded = scene.check().unwrap();
    let policy = loaded.policy;
    assert_eq!(messages(&scene.check()), Vec::<String>::new());
    assert_eq!(&*policy.name, "offhours");
    // The order of the file, not of the alphabet.
    assert_eq!(
        policy
            .maintenance
            .keys()
            .map(|name| &**name)
            .collect::<Vec<_>>(),
        ["z", "a"]
    );
    let app = &policy.apps["shop"];
    assert_eq!(
        (app.lead, app.margin),
        (
            SignedDuration::from_hours(12),
            SignedDuration::from_hours(1)
        )
    );
    assert_eq!(app.leave_reserve, SignedDuration::from_mins(12));
    assert_eq!(app.drain, SignedDuration::from_mins(10));
    assert_eq!(*app.contact, ["ops@example.org", "de@example.org"]);
    let roles: Vec<_> = app
        .notify
        .iter()
        .map(|audience| (&*audience.role, audience.people.len()))
        .collect();
    assert_eq!(roles, [("technical", 2), ("", 1)]);
    assert_eq!(&*app.notify[0].people[1].time_zone, "Europe/Paris");
    assert_eq!(&*app.notify[1].people[0].time_zone, "Europe/Berlin");
    let job = &policy.maintenance["z"];
    assert_eq!(&*job.window, "night");
    assert_eq!(job.command.argv, ["true", "x"]);
    assert_eq!(*job.command.dir, scene.path());
    assert_eq!(
        (job.timeout, job.grace, job.retry.attempts),
        (
            SignedDuration::from_hours(1),
            SignedDuration::from_secs(10),
            1
        )
    );
    assert!(matches!(policy.maintenance["a"].due, Due::Schedule(..)));
    assert_eq!(
        policy.maintenance["a"].command.argv,
        ["/bin/sh", "-c", "echo"]
    );
    let periodic = &policy.periodic["p"];
    assert_eq!(
        (periodic.overlap, periodic.missed),
        (Overlap::Skip, Missed::Once { within: None })
    );
    assert_eq!(loaded.settings.state_dir, scene.path().join("state"));
    assert_eq!(
        loaded.settings.control.socket,
        scene.path().join("state/control.sock")
    );
    assert!(loaded.settings.http.is_none());
    assert!(
        matches!(loaded.settings.mail, Some(MailConfig { way: Way::File { dir }, .. }) if dir == scene.path().join("state/mail"))
    );
}

#[test]
fn drop_ins_are_read_in_the_order_of_their_names() {
    let scene = with("");
    scene.write(
        "windows.d/20-b.toml",
        "[window.b]\nopen = \"Sat 01:00-02:00\"\n",
    );
    scene.write(
        "windows.d/10-a.toml",
        "[window.c]\nopen = \"Sun 01:00-02:00\"\n[state]\nkeep_runs = 7\n",
    );
    scene.write("windows.d/.hidden.toml", "nonsense");
    scene.write("windows.d/readme.txt", "nonsense");
    scene.write(
        "windows.d/30-p.toml",
        "[periodic.p]\nschedule='@daily'\nrun='true'\ntimeout='1m'\nwindow='b'\noutside='skip'\n",
    );
    let loaded = scene.load(&Env::default(), Purpose::Read).unwrap();
    let policy = loaded.policy;
    assert_eq!(
        policy
            .windows
            .keys()
            .map(|name| &**name)
            .collect::<Vec<_>>(),
        ["night", "c", "b"]
    );
    assert_eq!(policy.keep.runs, 7);
    assert_eq!(
        policy.periodic["p"].window,
        Some(("b".into(), Outside::Skip))
    );
    // Relative to the main file, wherever the job is written.
    assert_eq!(*policy.periodic["p"].command.dir, scene.path());
}

#[test]
fn a_program_beside_the_file_comes_before_path() {
    let scene = with(
        "[periodic.p]\nschedule='@daily'\nrun=['true']\ntimeout='1m'\n[periodic.q]\nschedule='@daily'\nrun=['bin/x']\ntimeout='1m'\n",
    );
    scene.write("true", "#!/bin/sh\n");
    scene.write("bin/x", "#!/bin/sh\n");
    scene.mode("true", 0o755);
    scene.mode("bin/x", 0o755);
    let policy = scene.check().unwrap().policy;
    assert_eq!(
        policy.periodic["p"].command.argv[0],
        scene.path().join("true").to_str().unwrap()
    );
    assert_eq!(
        policy.periodic["q"].command.argv[0],
        scene.path().join("bin/x").to_str().unwrap()
    );
}

#[test]
fn variables_override_settings() {
    let scene = with("");
    let vars = env(&[
        ("OFFHOURS_MAIL__TRANSPORT", "smtp"),
        ("OFFHOURS_MAIL__HOST", "mail.example.org"),
        ("OFFHOURS_MAIL__PORT", "2525"),
        ("OFFHOURS_MAIL__TLS", "none"),
        ("OFFHOURS_MAIL__LOG_PAYLOAD", "true"),
        ("OFFHOURS_HTTP__LISTEN", "127.0.0.1:0, [::1]:0"),
        ("OFFHOURS_STATE__DIR", "/srv/state"),
        ("OFFHOURS_STATE__KEEP_RUNS", "3"),
        ("OFFHOURS_CONFIG", "ignored"),
        ("STATE_DIRECTORY", "/var/lib/offhours"),
        ("RUNTIME_DIRECTORY", "/run/offhours"),
    ]);
    let loaded = scene.load(&vars, Purpose::Run).unwrap();
    assert_eq!(loaded.settings.http.unwrap().listen.len(), 2);
    assert_eq!(loaded.settings.state_dir, Path::new("/srv/state"));
    assert_eq!(
        loaded.settings.control.socket,
        Path::new("/run/offhours/control.sock")
    );
    assert_eq!(loaded.policy.keep.runs, 3);
    assert!(loaded.settings.mail.as_ref().unwrap().log_payload);
    let (smtp, from) = smtp(loaded.settings.mail);
    assert_eq!(smtp.hosts, [at("mail.example.org", 2525)]);
    assert_eq!(smtp.tls, Tls::None);
    assert_eq!(from, "Operations <ops@example.org>");
    let state = scene
        .load(
            &env(&[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")]),
            Purpose::Run,
        )
        .unwrap()
        .settings
        .state_dir;
    assert_eq!(state, Path::new("/var/lib/a"));
}

fn smtp(mail: Option<MailConfig>) -> (SmtpConfig, String) {
    match mail {
        Some(MailConfig {
            way: Way::Smtp(smtp),
            from,
            ..
        }) => (smtp, from),
        other => panic!("smtp was asked for: {other:?}"),
    }
}

fn at(name: &str, port: u16) -> MailHost {
    MailHost {
        name: name.into(),
        port,
    }
}

#[test]
fn mail_servers_keep_their_order() {
    let scene = Scene::new(
        "[mail]\ntransport='smtp'\nfrom='a@example.org'\nhost=['mail1.example.org', 'mail2.example.org:2525', '[::1]:25']\n",
    );
    let hosts = |vars: &Env| {
        let loaded = scene.load(vars, Purpose::Run).unwrap();
        smtp(loaded.settings.mail).0.hosts
    };
    assert_eq!(
        hosts(&Env::default()),
        [
            at("mail1.example.org", 587),
            at("mail2.example.org", 2525),
            at("::1", 25)
        ]
    );
    let several = env(&[
        ("OFFHOURS_MAIL__HOST", "a.example.org, [::1]:2525"),
        ("OFFHOURS_MAIL__TLS", "implicit"),
    ]);
    assert_eq!(hosts(&several), [at("a.example.org", 465), at("::1", 2525)]);
    let one = env(&[("OFFHOURS_MAIL__HOST", "b.example.org:26")]);
    assert_eq!(hosts(&one), [at("b.example.org", 26)]);
}

#[test]
fn a_sendmail_that_others_can_change_is_not_used() {
    let text = "[mail]\ntransport='sendmail'\nprogram='bin/sendmail'\nfrom='a@example.org'\n";
    let scene = Scene::new(&format!("time_zone='UTC'\n{text}"));
    // Gone later, it keeps no daemon from bringing apps back.
    let missing = messages(&scene.load(&Env::default(), Purpose::Check));
    assert!(missing[0].contains("there is no program"), "{missing:?}");
    assert!(scene.load(&Env::default(), Purpose::Run).is_ok());
    scene.write("bin/sendmail", "#!/bin/sh\n");
    scene.mode("bin/sendmail", 0o755);
    for purpose in [Purpose::Check, Purpose::Run, Purpose::Read] {
        let loaded = scene.load(&Env::default(), purpose).unwrap();
        assert!(matches!(
            loaded.settings.mail.unwrap().way,
            Way::Sendmail { program } if program == scene.path().join("bin/sendmail")
        ));
    }
    scene.mode("bin/sendmail", 0o757);
    for purpose in [Purpose::Check, Purpose::Run] {
        let refused = messages(&scene.load(&Env::default(), purpose));
        assert!(
            refused[0].contains("can be written by others"),
            "{refused:?}"
        );
    }
}

const SMTP: &str =
    "[mail]\ntransport='smtp'\nhost='h'\nfrom='a@example.org'\nusername='u'\npassword_file='pw'\n";

#[test]
fn a_secret_comes_from_the_credentials_first() {
    let scene = Scene::new(SMTP);
    scene.write("pw", "beside\n");
    scene.mode("pw", 0o600);
    let password = |vars: &Env| {
        let (smtp, _) = smtp(scene.load(vars, Purpose::Run).unwrap().settings.mail);
        smtp.password.unwrap().expose_secret().to_owned()
    };
    assert_eq!(password(&Env::default()), "beside");
    scene.write("cred/pw", "given\r\n");
    scene.mode("cred/pw", 0o400);
    let credentials = scene.path().join("cred");
    assert_eq!(
        password(&env(&[(
            "CREDENTIALS_DIRECTORY",
            credentials.to_str().unwrap()
        )])),
        "given"
    );
}

#[test]
fn a_secret_is_needed_to_run_and_never_shown() {
    let scene = Scene::new(SMTP);
    assert!(scene.load(&Env::default(), Purpose::Run).is_err());
    assert!(scene.load(&Env::default(), Purpose::Check).is_ok());
    scene.write("pw", "hush-hush\nsecond line\n");
    scene.mode("pw", 0o640);
    let told = scene.rendered(&Env::default(), Purpose::Run);
    assert!(told.contains("must hold one line"), "{told}");
    assert!(!told.contains("hush"));
    scene.mode("pw", 0o644);
    assert!(
        scene
            .rendered(&Env::default(), Purpose::Run)
            .contains("can be read by others")
    );
    // Whoever only asks for the plan need not be able to read it.
    assert!(scene.load(&Env::default(), Purpose::Read).is_ok());
    scene.write("pw", "hush-hush\n");
    scene.mode("pw", 0o600);
    let loaded = scene.load(&Env::default(), Purpose::Run).unwrap();
    assert!(!format!("{loaded:?}").contains("hush"));
}

#[test]
fn to_run_without_mail_is_refused_where_there_is_maintenance() {
    let text = format!(
        "{}[maintenance.a]\napp='shop'\nrun='true'\nevery='window'\n",
        BASE.replace("[mail]", "[http]\n[mail]")
    );
    let text = text.replace(
        "[http]\n[mail]\ntransport = \"file\"\nfrom = \"Operations <ops@example.org>\"\n",
        "",
    );
    let scene = Scene::new(&text);
    assert!(
        messages(&scene.load(&Env::default(), Purpose::Run))
            .iter()
            .any(|message| message.contains("no [mail]"))
    );
    let checked = scene.check().unwrap();
    assert!(
        checked
            .warnings
            .iter()
            .all(|warning| warning.severity == Severity::Warning)
    );
    assert_eq!(checked.warnings.len(), 1);
}

#[test]
fn what_others_can_write_is_refused() {
    let refusal = |change: &dyn Fn(&Scene)| {
        let scene = with("[app.a]\nenter = [{ run = 'hooks/down' }]\nleave = []\n");
        scene.write("hooks/down", "#!/bin/sh\n");
        scene.mode("hooks/down", 0o755);
        scene.write("windows.d/x.toml", "");
        assert!(scene.check().is_ok());
        change(&scene);
        assert!(scene.check().is_err());
        scene.rendered(&Env::default(), Purpose::Run)
    };
    for (name, mode) in [
        ("windows.toml", 0o666),
        ("windows.d/x.toml", 0o664),
        ("windows.d", 0o777),
        ("hooks/down", 0o775),
        ("hooks", 0o777),
    ] {
        let told = refusal(&|scene| scene.mode(name, mode));
        assert!(told.contains("can be written by others"), "{name}: {told}");
    }
    let told = refusal(&|scene| scene.mode(".", 0o777));
    assert!(told.contains("can be written by others"), "{told}");
    let told = refusal(&|scene| {
        fs::remove_file(scene.file()).unwrap();
        fs::create_dir(scene.file()).unwrap();
    });
    assert!(told.contains("not a regular file"), "{told}");
    let told = refusal(&|scene| fs::remove_file(scene.file()).unwrap());
    assert!(told.contains("No such file"), "{told}");
}

#[test]
fn a_link_to_the_file_is_followed() {
    let scene = with("");
    let other = Scene::empty();
    symlink(scene.file(), other.file()).unwrap();
    let loaded = other.check().unwrap();
    assert_eq!(loaded.settings.folder, other.path());
}

#[test]
fn the_file_is_found_in_order() {
    let none = Env::default();
    assert_eq!(
        find(
            Some(Path::new("x.toml")),
            &env(&[("OFFHOURS_CONFIG", "y.toml")])
        )
        .unwrap(),
        Path::new("x.toml")
    );
    assert_eq!(
        find(None, &env(&[("OFFHOURS_CONFIG", "y.toml")])).unwrap(),
        Path::new("y.toml")
    );
    // The tests run in the root of the crate, where the reference is.
    assert_eq!(find(None, &none).unwrap(), Path::new("windows.toml"));
    assert_eq!(
        find(None, &env(&[("OFFHOURS_CONFIG", "")])).unwrap(),
        Path::new("windows.toml")
    );
}

#[test]
fn problems_have_a_form_for_machines() {
    let scene =
        Scene::new("[window.a]\nopen = 'Mon 22:00-23:00'\n[window.b]\nopne = 'Mon 22:00-23:00'\n");
    let problems = scene.check().unwrap_err().problems;
    let json = offhours::config::json(&problems, &[]);
    let first = json
        .as_array()
        .unwrap()
        .iter()
        .find(|problem| problem["line"] == 4)
        .unwrap();
    assert_eq!(first["severity"], "error");
    assert_eq!(first["message"], "unknown key `opne`");
    assert_eq!(first["hint"], "did you mean `open`?");
    assert_eq!((&first["line"], &first["column"]), (&4.into(), &1.into()));
    assert_eq!(first["file"], scene.file().to_str().unwrap());
}

#[test]
fn what_only_the_calendar_makes_wrong_does_not_keep_a_daemon_down() {
    let scene = Scene::empty();
    scene.write(
        "windows.toml",
        r#"
time_zone = "UTC"
[mail]
transport = "file"
from = "ops@example.org"
[notice]
to = ["a@example.org"]
operators = ["a@example.org"]
[window.short]
days = "daily"
start = "22:00"
duration = "10m"
[app.shop]
[maintenance.long]
app = "shop"
window = "short"
every = "window"
run = ["true"]
timeout = "1h"
"#,
    );
    let refused = messages(&scene.load(&Env::default(), Purpose::Check));
    assert!(
        refused.iter().any(|m| m.contains("never fits")),
        "{refused:?}"
    );
    let loaded = scene.load(&Env::default(), Purpose::Run).unwrap();
    let said = loaded
        .warnings
        .iter()
        .any(|w| w.message.contains("never fits"));
    assert!(said, "{:?}", loaded.warnings);
}

#[test]
fn a_program_that_is_gone_does_not_keep_the_daemon_down() {
    let scene = Scene::new(
        "time_zone = \"UTC\"\n[periodic.tick]\nschedule = \"@daily\"\nrun = [\"./gone\"]\ntimeout = \"1m\"\n",
    );
    assert!(scene.load(&Env::default(), Purpose::Check).is_err());
    let loaded = scene.load(&Env::default(), Purpose::Run).unwrap();
    let warned = loaded
        .warnings
        .iter()
        .any(|w| w.message.contains("there is no program"));
    assert!(warned, "{:?}", loaded.warnings);
    scene.write("gone", "#!/bin/sh\n");
    let loaded = scene.load(&Env::default(), Purpose::Run).unwrap();
    let warned = loaded
        .warnings
        .iter()
        .any(|w| w.message.contains("cannot be executed"));
    assert!(warned, "{:?}", loaded.warnings);
}
