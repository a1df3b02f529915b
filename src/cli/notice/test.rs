//! `notice test ROLE_OR_ADDRESS`: does mail arrive?
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cli::args::TestArgs;
use crate::cli::load::Context;
use crate::cli::out::Out;
use crate::cli::refusal::{Refusal, did_you_mean, usage};
use crate::cli::run::refusal;
use crate::cli::table::Paint;
use crate::config::{Loaded, Purpose};
use crate::core::letter::Letter;
use crate::core::policy::{Language, Person};
use crate::daemon::{letters, startup};
use crate::exit::Exit;
use crate::mail::{Answer, Delivery, Mailbox, Mailer};
use crate::text::clean;

/// Sends a test to each address, at once as far as the server lets us, and tells each answer.
///
/// # Errors
/// When the configuration is refused or has no mail, or there is no such role.
pub fn run(args: &TestArgs, context: &Context, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    // What is sent is told below; the log is for those who ask for it.
    let wanted = context.env.get("OFFHOURS_LOG").is_some();
    let _logging = wanted
        .then(|| crate::cli::logging::start(context))
        .transpose()?;
    let loaded = context.load_for(Purpose::Run)?;
    let people = people(&args.to, &loaded)?;
    let mailer = startup::mailer(&loaded.settings)
        .map_err(refusal)?
        .ok_or_else(|| Refusal {
            exit: Exit::Config,
            text: "no mail is configured: write [mail]".to_owned(),
        })?;
    super::note_templates(&loaded);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let told = runtime.block_on(send(people, Arc::new(mailer), &loaded, context, out))?;
    Ok(if told { Exit::Ok } else { Exit::Failed })
}

/// Whether all were accepted.
async fn send(
    people: Vec<Person>,
    mailer: Arc<Mailer>,
    loaded: &Loaded,
    context: &Context,
    out: &mut Out<'_>,
) -> anyhow::Result<bool> {
    let operators = loaded.policy.notice.operators.iter();
    let contact: Vec<String> = operators
        .flat_map(|audience| audience.people.iter())
        .map(|person| person.email.clone())
        .collect();
    // Their ids must not be those of another test: a server may drop what it has seen.
    let now = crate::clock::now();
    let mut sent = Vec::new();
    for (at, person) in people.into_iter().enumerate() {
        let id = format!("offhours.test.{}.{at}", now.as_nanosecond());
        let email = person.email.clone();
        let letter = Letter::test(&loaded.policy.name, &contact, id, now, person);
        let mailer = Arc::clone(&mailer);
        let sending = tokio::spawn(async move {
            let composed = letters::compose(mailer.templates(), mailer.from(), letter);
            match composed {
                Ok(composed) => Ok(mailer.deliver(&composed).await),
                Err(error) => Err(error.to_string()),
            }
        });
        sent.push((email, sending));
    }
    let mut all = true;
    let mut views = Vec::new();
    for (email, sending) in sent {
        let delivery = sending.await?;
        all &= matches!(
            &delivery,
            Ok(Delivery {
                answer: Answer::Accepted { .. },
                ..
            })
        );
        if context.json {
            views.push(view(&email, &delivery));
        } else {
            line(&email, &delivery, out)?;
            out.flush()?;
        }
    }
    if context.json {
        out.json(&views)?;
    }
    Ok(all)
}

fn view(email: &str, delivery: &Result<Delivery, String>) -> Value {
    match delivery {
        Ok(delivery) => {
            let answer = &delivery.answer;
            json!({
                "recipient": email,
                "answer": answer.word(),
                "server": delivery.server,
                "said": answer.said(),
                "duration_s": delivery.took.as_secs_f64(),
            })
        }
        Err(why) => json!({
            "recipient": email, "answer": "permanent", "server": null, "said": why, "duration_s": 0.0,
        }),
    }
}

fn line(email: &str, delivery: &Result<Delivery, String>, out: &mut Out<'_>) -> anyhow::Result<()> {
    let (verdict, paint, said) = match delivery {
        Ok(Delivery {
            answer: Answer::Accepted { server: said },
            server,
            ..
        }) if said.contains(server) => ("accepted", Paint::Good, said.clone()),
        Ok(Delivery {
            answer: Answer::Accepted { server: said },
            server,
            ..
        }) => ("accepted", Paint::Good, format!("{server}: {said}")),
        Ok(Delivery { answer, .. }) => {
            let verdict = match answer {
                Answer::Temporary { .. } => "not now",
                Answer::Permanent { .. } => "refused",
                _ => "no answer",
            };
            (verdict, Paint::Bad, answer.said().to_owned())
        }
        Err(why) => ("not sent", Paint::Bad, why.clone()),
    };
    let verdict = out.painted(paint, verdict);
    let email = clean(email);
    out.line(format_args!("{email}  {verdict}  {}", clean(&said)))?;
    Ok(())
}

/// Those of a role, or one address: as it is known from a role, else in English and the file's zone.
fn people(to: &str, loaded: &Loaded) -> anyhow::Result<Vec<Person>> {
    if let Some(people) = loaded.contacts.get(to) {
        return Ok(people.to_vec());
    }
    if !to.contains('@') {
        let hint = did_you_mean(to, loaded.contacts.keys().map(|role| &**role));
        return Err(usage(format!("there is no role {to:?}{hint}")));
    }
    let mailbox: Mailbox = to
        .parse()
        .map_err(|error| usage(format!("{to:?} is not an address: {error}")))?;
    let email = mailbox.email.to_string();
    let mut known: Vec<&Person> = loaded
        .contacts
        .values()
        .flat_map(|people| people.iter())
        .filter(|person| person.email.eq_ignore_ascii_case(&email))
        .collect();
    // The same each time, for roles have no order.
    known.sort_by_key(|person| (person.language != Language::En, person.time_zone.clone()));
    Ok(vec![match known.first() {
        Some(person) => (*person).clone(),
        None => Person {
            email,
            name: mailbox.name,
            language: Language::default(),
            time_zone: loaded.policy.zone.name().into(),
        },
    }])
}
