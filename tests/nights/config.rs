//! A configuration that is refused, and one that the environment changes.

use crate::scene::{FILE_MAIL, Scene, once};
use crate::smtp::{Lab, SmtpServer};

#[test]
fn all_problems_at_once() {
    let scene = Scene::new(
        r#"
[periodic.tick]
schedul = "* * * * *"
run = ["true"]
timeout = 5
[maintenance.update]
app = "shop"
every = "window"
run = ["true"]
[window.night]
days = "Mon-Fri"
start = "25:00"
end = "05:00"
"#,
    );
    for command in [&["run"][..], &["run", "--dry-run"], &["check"]] {
        let said = scene.offhours(command).expect(3);
        for words in ["schedul", "unit", "shop", "25:00", "windows.toml:3:"] {
            assert!(
                said.err.contains(words) || said.out.contains(words),
                "{words}: {}",
                said.err
            );
        }
    }
    assert!(!scene.path("state").exists());
}

#[test]
fn maintenance_without_mail_is_refused() {
    let text = FILE_MAIL.split("[contacts]").nth(1).unwrap();
    let scene = Scene::new(&format!(
        "[contacts]{text}{}[app.shop]\nwindow = \"now\"\n[maintenance.update]\napp = \"shop\"\nevery = \"window\"\nrun = [\"true\"]\ntimeout = \"5s\"\ngrace = \"1s\"\n",
        once(100, 200)
    ));
    let said = scene.offhours(&["run"]).expect(3);
    assert!(said.err.contains("[mail]"), "{}", said.err);
}

#[test]
fn the_environment_overrides_where_mail_goes() {
    let Some(lab) = Lab::find("the_environment") else {
        return;
    };
    let server = SmtpServer::start(&lab, &[]);
    let mail = r#"
[mail]
transport = "smtp"
host = "mail.invalid"
port = 1
tls = "none"
from = "Operations <ops@example.org>"
[contacts]"#;
    let rest = FILE_MAIL.split("[contacts]").nth(1).unwrap();
    let scene = Scene::new(&format!(
        "{mail}{rest}{}[app.shop]\nwindow = \"now\"\n[maintenance.update]\napp = \"shop\"\nevery = \"window\"\nrun = [\"true\"]\ntimeout = \"5s\"\ngrace = \"1s\"\n",
        once(60, 200)
    ));
    let port = server.port.to_string();
    let mut daemon = scene.run_with(
        &[],
        &[
            ("OFFHOURS_MAIL__HOST", "127.0.0.1"),
            ("OFFHOURS_MAIL__PORT", &port),
        ],
    );
    daemon.wait("session_announced", &[]);
    assert_eq!(server.received().len(), 1);
    assert_eq!(daemon.stop(), 0);
    let said = scene
        .offhours_with(&["run"], &[("OFFHOURS_MAIL__PROT", "1")])
        .expect(3);
    assert!(said.err.contains("OFFHOURS_MAIL__PROT"), "{}", said.err);
}
