//! The way of a real night: `[mail]` of a configuration file, a real mail server, and the mailbox read back.

use std::os::unix::fs::PermissionsExt;

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use offhours::config::{self, Env, Purpose};
use offhours::daemon::startup;

use super::exim_server::{Exim, PASSWORD, USER};
use super::*;

/// Skips the test, loudly, where exim is missing.
macro_rules! exim {
    ($name:literal) => {
        match (Lab::find($name), Exim::start($name)) {
            (Some(lab), Some(exim)) => (lab, exim),
            _ => return,
        }
    };
}

/// A folder with a configuration, where nobody else can write.
struct Site(tempfile::TempDir);

impl Site {
    fn new(mail: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text =
            format!("time_zone = \"UTC\"\n[mail]\nfrom = \"{FROM}\"\ntimeout = \"20s\"\n{mail}");
        fs::write(dir.path().join("windows.toml"), text).unwrap();
        Self(dir)
    }

    fn smtp(exim: &Exim, host: &str, tls: &str) -> Self {
        let site = Self::new(&format!(
            "transport = \"smtp\"\nhost = {host}\ntls = \"{tls}\"\nca_file = \"{}\"\nusername = \"ops\"\npassword_file = \"smtp-password\"\n",
            exim.ca().display()
        ));
        site.secret("smtp-password", PASSWORD);
        site
    }

    fn secret(&self, name: &str, secret: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{secret}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The mailer, made the way the daemon makes it.
    fn mailer(&self, env: &Env) -> Mailer {
        let file = self.0.path().join("windows.toml");
        let loaded = config::load(&file, env, at("2026-11-17T08:00:00Z"), Purpose::Run)
            .unwrap_or_else(|refused| {
                panic!(
                    "{}",
                    config::render(&refused.problems, &refused.sources, false)
                )
            });
        startup::mailer(&loaded.settings).unwrap().unwrap()
    }

    fn plain(&self) -> Mailer {
        self.mailer(&Env::default())
    }
}

fn of(kind: LetterKind, language: Language) -> Composed {
    let letter = letter(kind, "support@example.org", language);
    compose(&FROM.parse().unwrap(), &letter).unwrap()
}

#[tokio::test]
async fn what_arrives_is_what_was_meant() {
    let (lab, exim) = exim!("what_arrives_is_what_was_meant");
    let mailer = Site::smtp(&exim, &format!("\"127.0.0.1:{}\"", exim.port), "starttls").plain();
    let sent = [
        of(LetterKind::Advance, Language::De),
        of(LetterKind::Cancelled, Language::En),
        of(LetterKind::Finished, Language::En),
    ];
    for message in &sent {
        let delivery = mailer.deliver(message).await;
        accepted(&delivery.answer);
        assert_eq!(delivery.server, format!("127.0.0.1:{}", exim.port));
    }
    let found = exim.read(&lab, "support", sent.len());
    assert_eq!(found.len(), sent.len());
    for message in &sent {
        let mail = found
            .iter()
            .find(|mail| mail["headers"]["subject"] == message.subject.as_str())
            .unwrap_or_else(|| panic!("no {:?} in {found:#?}", message.subject));
        let headers = &mail["headers"];
        assert_eq!(headers["return-path"], "<ops@example.org>");
        assert_eq!(headers["envelope-to"], "support@example.org");
        assert_eq!(headers["message-id"], format!("<{}>", message.message_id));
        assert_eq!(headers["in-reply-to"], "<shop.night.first@example.org>");
        assert_eq!(headers["auto-submitted"], "auto-generated");
        assert_eq!(mail["to_name"], "Doe, \"Zoë\"");
        let received = headers["received"].as_str().unwrap();
        assert!(
            received.contains("esmtpsa"),
            "encrypted and logged in: {received}"
        );
        for part in ["text", "html"] {
            let text = mail[part].as_str().unwrap();
            assert!(text.contains("Läden") && text.contains("Berlin"), "{text}");
        }
        let entry = &mail["entry"];
        if message.kind == LetterKind::Finished {
            assert!(entry.is_null());
            assert_eq!(
                mail["parts"],
                serde_json::json!(["multipart/alternative", "text/plain", "text/html"])
            );
            continue;
        }
        let method = match message.kind {
            LetterKind::Cancelled => "CANCEL",
            _ => "REQUEST",
        };
        assert_eq!(entry["method"], method);
        assert_eq!(entry["uid"], "shop.night.2026-11-17@example.org");
        assert_eq!(entry["sequence"], 3);
        assert_eq!(entry["summary"], message.subject.as_str());
        assert_eq!(entry["starts"], "2026-11-17T21:00:00+00:00");
        assert_eq!(entry["attendee"], "mailto:support@example.org");
        assert_eq!(mail["parts"].as_array().unwrap().len(), 6);
    }
}

#[tokio::test]
async fn implicit_tls_and_a_credential_of_the_service() {
    let (_, exim) = exim!("implicit_tls_and_a_credential_of_the_service");
    let site = Site::smtp(
        &exim,
        &format!("\"localhost:{}\"", exim.implicit),
        "implicit",
    );
    // The credential comes first: what lies beside the file is wrong.
    site.secret("smtp-password", "something else");
    site.secret("credentials/smtp-password", PASSWORD);
    let folder = site.0.path().join("credentials");
    let env: Env = [("CREDENTIALS_DIRECTORY", folder.to_str().unwrap())]
        .into_iter()
        .collect();
    accepted(
        &site
            .mailer(&env)
            .send(&message("support@example.org"))
            .await,
    );
    exim.mailbox("support", 1);
    let why = temporary(&site.plain().send(&message("support@example.org")).await);
    assert!(why.contains("user name or password"), "{why}");
}

#[tokio::test]
async fn a_wrong_password_is_said_without_it() {
    let (_, exim) = exim!("a_wrong_password_is_said_without_it");
    for (port, tls) in [(exim.port, "starttls"), (exim.implicit, "implicit")] {
        let site = Site::smtp(&exim, &format!("\"127.0.0.1:{port}\""), tls);
        site.secret("smtp-password", "gossip gossip");
        let why = temporary(&site.plain().send(&message("support@example.org")).await);
        assert!(
            why.contains("user name or password") && why.contains("535"),
            "{why}"
        );
        assert!(!why.contains("gossip"), "{why}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_not_trusted() {
    let (lab, exim) = exim!("a_certificate_of_another_authority_is_not_trusted");
    for (port, tls) in [(exim.port, "starttls"), (exim.implicit, "implicit")] {
        let site = Site::new(&format!(
            "transport = \"smtp\"\nhost = \"127.0.0.1:{port}\"\ntls = \"{tls}\"\nca_file = \"{}\"\n",
            lab.cert("other.pem").display()
        ));
        let why = temporary(&site.plain().send(&message("support@example.org")).await);
        assert!(why.contains("certificate"), "{why}");
    }
}

#[tokio::test]
async fn ipv6_by_its_address() {
    let (_, exim) = exim!("ipv6_by_its_address");
    if exim.port6 == 0 {
        println!("*** SKIPPED ipv6_by_its_address: no loopback address ***");
        return;
    }
    let mailer = Site::smtp(&exim, &format!("\"[::1]:{}\"", exim.port6), "starttls").plain();
    accepted(&mailer.send(&message("support@example.org")).await);
    exim.mailbox("support", 1);
}

#[tokio::test]
async fn a_recipient_nobody_knows_is_refused_for_good_and_by_no_other_server() {
    let (_, exim) = exim!("a_recipient_nobody_knows_is_refused_for_good_and_by_no_other_server");
    let host = format!("[\"127.0.0.1:{}\", \"localhost:{}\"]", exim.port, exim.port);
    let mailer = Site::smtp(&exim, &host, "starttls").plain();
    for to in ["stranger@example.org", "support@elsewhere.example"] {
        let why = permanent(&mailer.send(&message(to)).await);
        assert!(why.contains("550"), "{why}");
        let refused = format!("rejected RCPT <{to}>");
        exim.logged(&refused);
        // Whatever had been asked a second time would be there by now.
        accepted(&mailer.send(&message("support@example.org")).await);
        let log = exim.logged("<= ops@example.org");
        assert_eq!(log.matches(&refused).count(), 1, "{log}");
    }
}

#[tokio::test]
async fn a_dead_first_server_loses_nothing() {
    let (lab, exim) = exim!("a_dead_first_server_loses_nothing");
    let dead = StdListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let host = format!("[\"{dead}\", \"127.0.0.1:{}\"]", exim.port);
    let mailer = Site::smtp(&exim, &host, "starttls").plain();
    for to in ["support@example.org", "nights@example.org"] {
        let delivery = mailer.deliver(&message(to)).await;
        accepted(&delivery.answer);
        assert_eq!(delivery.server, format!("127.0.0.1:{}", exim.port));
    }
    assert_eq!(exim.read(&lab, "support", 1).len(), 1);
    assert_eq!(exim.read(&lab, "nights", 1).len(), 1);
}

#[tokio::test]
async fn its_sendmail_takes_mail_too() {
    let (lab, exim) = exim!("its_sendmail_takes_mail_too");
    let program = exim.sendmail();
    let site = Site::new(&format!(
        "transport = \"sendmail\"\nprogram = \"{}\"\n",
        program.display()
    ));
    let mailer = site.plain();
    let message = of(LetterKind::Changed, Language::De);
    let delivery = mailer.deliver(&message).await;
    accepted(&delivery.answer);
    assert_eq!(delivery.server, program.display().to_string());
    let found = exim.read(&lab, "support", 1);
    assert_eq!(found[0]["headers"]["subject"], message.subject.as_str());
    assert_eq!(found[0]["headers"]["return-path"], "<ops@example.org>");
    assert_eq!(found[0]["entry"]["method"], "REQUEST");
    // A recipient who would be an option stays a recipient.
    let odd = of(LetterKind::Advance, Language::En);
    let odd = Composed {
        envelope_to: "-bP@example.org".parse().unwrap(),
        ..odd
    };
    assert!(!matches!(mailer.send(&odd).await, Answer::Unknown { .. }));
    // It has taken the message and cannot deliver it: its sender is told.
    exim.mailbox("ops", 1);
}

#[test]
fn a_test_of_notices_says_what_the_server_answers() {
    let (lab, exim) = exim!("a_test_of_notices_says_what_the_server_answers");
    let site = Site::smtp(&exim, &format!("\"127.0.0.1:{}\"", exim.port), "starttls");
    let file = site.0.path().join("windows.toml");
    let contacts = "[contacts]\nall = [\"nights@example.org\", { email = \"support@example.org\", language = \"de\" }]\nsome = [\"ops@example.org\", \"stranger@example.org\"]\n";
    let text = fs::read_to_string(&file).unwrap() + contacts;
    fs::write(&file, text).unwrap();
    let say = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_offhours"))
            .args(["--config", file.to_str().unwrap(), "notice", "test"])
            .args(args)
            .output()
            .unwrap();
        let said =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), said)
    };
    let (code, said) = say(&["all"]);
    assert_eq!(code, 0, "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    for (line, to) in lines.iter().zip(["nights", "support"]) {
        let start = format!(
            "{to}@example.org  accepted  127.0.0.1:{}: 250 OK id=",
            exim.port
        );
        assert!(line.starts_with(&start), "{line}");
    }
    let subject = |name: &str| exim.read(&lab, name, 1)[0]["headers"]["subject"].clone();
    assert_eq!(subject("nights"), "[offhours] Test: nothing is planned");
    assert_eq!(subject("support"), "[offhours] Test: nichts ist geplant");

    let (code, said) = say(&["some", "--json"]);
    assert_eq!(code, 1, "{said}");
    let views: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(views[0]["answer"], "accepted");
    assert_eq!(views[1]["answer"], "permanent");
    assert_eq!(views[1]["recipient"], "stranger@example.org");
    assert!(
        views[1]["said"]
            .as_str()
            .unwrap()
            .contains("nobody of that name")
    );
    let (code, said) = say(&["al"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("did you mean all?"), "{said}");
    site.secret("smtp-password", "gossip gossip");
    let (code, said) = say(&["nights@example.org"]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("not now") && !said.contains("gossip"),
        "{said}"
    );

    // Whatever is logged, the password is not, neither as it is nor as it is sent.
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("[mail]", "[mail]\nlog_payload = true");
    fs::write(&file, text).unwrap();
    for (secret, verdict) in [(PASSWORD, "accepted"), ("gossip gossip", "temporary")] {
        site.secret("smtp-password", secret);
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_offhours"))
            .args(["--config", file.to_str().unwrap()])
            .args(["notice", "test", "nights@example.org"])
            .env("OFFHOURS_LOG", "trace")
            .output()
            .unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        for part in [
            "mail payload".to_owned(),
            format!("server=\"127.0.0.1:{}\"", exim.port),
            format!("answer=\"{verdict}\""),
            "duration_ms=".to_owned(),
        ] {
            assert!(log.contains(&part), "{part} in {log}");
        }
        let plain = BASE64.encode(format!("\0{USER}\0{secret}"));
        for hidden in [secret, &plain, &BASE64.encode(secret)] {
            assert!(!log.contains(hidden), "{log}");
        }
    }
}
