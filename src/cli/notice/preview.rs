//! `notice preview APP`: the mail about its next session, by the code that sends it.
use jiff::Timestamp;
use serde_json::json;

use crate::cli::args::{FormatArg, KindArg, LanguageArg, PreviewArgs};
use crate::cli::load::{self, Context};
use crate::cli::out::{Out, note};
use crate::cli::refusal::{did_you_mean, refused, usage};
use crate::core::decide::{Missing, preview};
use crate::core::letter::{About, Letter, LetterKind};
use crate::core::policy::{Language, Name, Person, Policy};
use crate::daemon::{letters, templates};
use crate::exit::Exit;
use crate::mail::Mailbox;
use crate::text::Filter;

/// The sender where the file names none yet.
const NOBODY: &str = "offhours@example.invalid";
/// The recipient of an example where the file names none.
const SOMEBODY: &str = "somebody@example.invalid";

/// Prints the mail; nothing is sent, and nothing recorded.
///
/// # Errors
/// When configuration or state are refused, there is no such app, or nobody is told of it.
pub fn run(args: &PreviewArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let loaded = context.load()?;
    let policy = &loaded.policy;
    let state = load::state(&loaded)?;
    let app: Name = args.app.as_str().into();
    if !policy.apps.contains_key(&app) {
        return Err(no_such_app(policy, &args.app));
    }
    let kind = kind(args.kind);
    let language = args.language.map(|language| match language {
        LanguageArg::En => Language::En,
        LanguageArg::De => Language::De,
    });
    let letter = match preview(policy, &state, &app, kind, language, context.now) {
        Ok(letter) => letter,
        Err(Missing::Session) => {
            note(&format!(
                "no maintenance of {app} is planned: this is a made-up example"
            ));
            example(policy, &app, kind, language, context.now)
        }
        Err(Missing::Recipient) => {
            return Err(refused(match kind {
                LetterKind::Operators => "nobody is told: [notice] operators names no one".into(),
                _ => format!("nobody is told of the maintenance of {app}"),
            }));
        }
    };
    let from = loaded.settings.mail.as_ref();
    let from: Mailbox = from.map_or(NOBODY, |mail| &mail.from).parse()?;
    let session = letter.session.clone();
    let to = Mailbox::new(
        letter.recipient.name.clone(),
        letter.recipient.email.parse()?,
    );
    super::note_templates(&loaded);
    let templates = templates::templates(&loaded.settings.templates);
    let mail = letters::compose(&templates, &from, letter)?;
    if context.json {
        out.json(&json!({
            "app": &*app,
            "kind": kind.word(),
            "session": (!session.is_empty()).then_some(session),
            "to": mail.envelope_to.to_string(),
            "from": from.to_string(),
            "message_id": mail.message_id,
            "subject": mail.subject,
            "text": mail.text,
            "html": mail.html,
            "eml": String::from_utf8_lossy(&mail.bytes),
        }))?;
        return Ok(Exit::Ok);
    }
    match args.format {
        FormatArg::Text => {
            let shown = format!(
                "From: {from}\nTo: {to}\nSubject: {}\n\n{}",
                mail.subject,
                mail.text.trim_end()
            );
            out.line(format_args!("{}", harmless(&shown)))?;
        }
        FormatArg::Html => out.line(format_args!("{}", harmless(mail.html.trim_end())))?,
        // ASCII, and encoded where it could harm: as it is, to be read by a mail program.
        FormatArg::Eml => out.bytes(&mail.bytes)?,
    }
    Ok(Exit::Ok)
}

/// What a mail about this app looks like, where nothing is planned.
fn example(
    policy: &Policy,
    app: &Name,
    kind: LetterKind,
    language: Option<Language>,
    now: Timestamp,
) -> Letter {
    let known = policy.apps.get(app);
    let told = match kind {
        LetterKind::Operators => Some(&policy.notice.operators),
        _ => known.map(|app| &app.notify),
    };
    let mut people = told.into_iter().flatten().flat_map(|a| a.people.iter());
    let mut person = people.next().cloned().unwrap_or_else(|| Person {
        email: SOMEBODY.into(),
        name: None,
        language: Language::default(),
        time_zone: policy.zone.name().into(),
    });
    person.language = language.unwrap_or(person.language);
    let about = About {
        installation: &policy.name,
        app,
        app_description: known.and_then(|app| app.description.as_deref()),
        contact: known.map_or(&[], |app| &app.contact),
        full: true,
    };
    Letter::sample(kind, about, now, person)
}

fn kind(kind: KindArg) -> LetterKind {
    match kind {
        KindArg::Advance => LetterKind::Advance,
        KindArg::Changed => LetterKind::Changed,
        KindArg::Cancelled => LetterKind::Cancelled,
        KindArg::Postponed => LetterKind::Postponed,
        KindArg::Started => LetterKind::Started,
        KindArg::Finished => LetterKind::Finished,
        KindArg::Failed => LetterKind::Failed,
        KindArg::Digest => LetterKind::Digest,
        KindArg::Operators => LetterKind::Operators,
    }
}

fn no_such_app(policy: &Policy, app: &str) -> anyhow::Error {
    let hint = did_you_mean(app, policy.apps.keys().map(|name| &**name));
    usage(format!("there is no app {app:?}{hint}"))
}

/// Several lines, without what could harm a terminal.
fn harmless(text: &str) -> String {
    let mut filter = Filter::default();
    let mut kept = Vec::with_capacity(text.len());
    filter.push(text.as_bytes(), &mut kept);
    filter.finish(&mut kept);
    String::from_utf8_lossy(&kept).into_owned()
}
