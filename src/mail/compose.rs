//! From a letter to a message.

use std::time::SystemTime;

use jiff::Timestamp;
use lettre::{
    Address, Message,
    message::{
        Attachment, Body, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};

use super::{
    ComposeError, Letter, LetterKind, Mailbox, TemplateProblem, Templates, clean,
    content::{self, Content},
    invitation,
};

/// A finished message for one recipient.
#[derive(Clone, Debug)]
pub struct Composed {
    pub envelope_from: Address,
    pub envelope_to: Address,
    /// Decoded, as a person reads it.
    pub subject: String,
    /// The text for people, without its encoding.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// The whole message (RFC 5322), CRLF lines, ASCII only.
    pub bytes: Vec<u8>,
    pub kind: LetterKind,
    /// What it is about.
    pub session: Option<String>,
    pub message_id: String,
    pub date: Timestamp,
    /// Why an operator's template was not used, and the built-in one was.
    pub problem: Option<TemplateProblem>,
}

/// Writes the message with the built-in templates. Pure: the same letter gives the same bytes.
///
/// # Errors
/// An address, message id or time that no message can carry.
pub fn compose(from: &Mailbox, letter: &Letter) -> Result<Composed, ComposeError> {
    compose_with(&Templates::default(), from, letter)
}

/// The same with these templates; one that fails is replaced by the built-in one.
///
/// # Errors
/// An address, message id or time that no message can carry.
pub fn compose_with(
    templates: &Templates,
    from: &Mailbox,
    letter: &Letter,
) -> Result<Composed, ComposeError> {
    let sender = address(from.email.as_ref()).map_err(ComposeError::Sender)?;
    let recipient = address(&letter.recipient.email).map_err(ComposeError::Recipient)?;
    let from = tidy(from.name.as_deref(), sender);
    let to = tidy(letter.recipient.name.as_deref(), recipient);
    let id = message_id(&letter.message_id)?;
    let (content, mut problem) = titled(templates, letter)?;

    let mut builder = Message::builder()
        .from(from.clone())
        .to(to.clone())
        .subject(content.subject.clone())
        .date(date(letter.date)?)
        .message_id(Some(id.clone()));
    if let Some(first) = &letter.in_reply_to {
        let first = message_id(first)?;
        if first != id {
            builder = builder.in_reply_to(first.clone()).references(first);
        }
    }
    // Auto-Submitted (RFC 3834) keeps out-of-office answers away, the other does so for Exchange.
    for (name, value) in [
        (
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated",
        ),
        (
            HeaderName::new_from_ascii_str("X-Auto-Response-Suppress"),
            "All",
        ),
    ] {
        builder = builder.raw_header(HeaderValue::new(name, value.to_owned()));
    }
    let texts = templates.texts(letter, &content)?;
    problem = problem.or(texts.problem);
    let (text, html) = (texts.plain, texts.html);
    let alternative = alternative(letter, text.clone(), html.clone());
    let body = body(templates, (&from, &to), letter, &content, alternative)?;
    let message = builder.multipart(body)?;
    Ok(Composed {
        envelope_from: from.email,
        envelope_to: to.email,
        subject: content.subject,
        text,
        html,
        bytes: message.formatted(),
        kind: letter.kind,
        session: Some(letter.session.clone()).filter(|session| !session.is_empty()),
        message_id: letter.message_id.clone(),
        date: letter.date,
        problem,
    })
}

/// The words of a letter, with the subject of the templates.
fn titled(
    templates: &Templates,
    letter: &Letter,
) -> Result<(Content, Option<TemplateProblem>), ComposeError> {
    let mut content = content::content(letter)?;
    let (subject, problem) = templates.subject(letter, &content);
    if let Some(subject) = subject {
        content.subject = subject;
    }
    Ok((content, problem))
}

fn alternative(letter: &Letter, text: String, html: String) -> MultiPart {
    MultiPart::alternative()
        .boundary(format!("=_alternative_{}", fingerprint(&letter.message_id)))
        .singlepart(text_part(ContentType::TEXT_PLAIN, text))
        .singlepart(text_part(ContentType::TEXT_HTML, html))
}

fn body(
    templates: &Templates,
    (from, to): (&Mailbox, &Mailbox),
    letter: &Letter,
    content: &Content,
    alternative: MultiPart,
) -> Result<MultiPart, ComposeError> {
    let tag = fingerprint(&letter.message_id);
    let mixed = || MultiPart::mixed().boundary(format!("=_mixed_{tag}"));
    if letter.kind == LetterKind::Digest {
        // One entry a session: a calendar object with several of them could not be changed one by one.
        let mut whole = mixed().multipart(alternative);
        for (number, part) in letter.parts.iter().enumerate() {
            let (content, _) = titled(templates, part)?;
            if let Some((calendar, kind)) = entry(from, to, part, &content)? {
                let name = format!("maintenance-{}.ics", number + 1);
                whole = whole.singlepart(Attachment::new(name).body(calendar, kind));
            }
        }
        return Ok(whole);
    }
    let Some((calendar, kind)) = entry(from, to, letter, content)? else {
        return Ok(alternative);
    };
    // As an alternative, mail programs show the entry beside the text; the attachment is for all others.
    let shown = SinglePart::builder()
        .content_type(kind.clone())
        .body(calendar.clone());
    let attachment = Attachment::new(String::from("maintenance.ics")).body(calendar, kind);
    Ok(mixed()
        .multipart(alternative.singlepart(shown))
        .singlepart(attachment))
}

/// The calendar entry of one session, where its letter has one.
fn entry(
    from: &Mailbox,
    to: &Mailbox,
    letter: &Letter,
    content: &Content,
) -> Result<Option<(Body, ContentType)>, ComposeError> {
    let Some(method) = invitation::method(letter.kind) else {
        return Ok(None);
    };
    let calendar = invitation::invitation(from, to, letter, content, method)?;
    let kind = ContentType::parse(&format!("text/calendar; method={method}; charset=utf-8"))
        .expect("a fixed media type and one of two fixed words");
    let calendar = encoded(calendar, ContentTransferEncoding::Base64);
    Ok(Some((calendar, kind)))
}

fn text_part(kind: ContentType, text: String) -> SinglePart {
    SinglePart::builder()
        .content_type(kind)
        .body(encoded(text, ContentTransferEncoding::QuotedPrintable))
}

/// Encoded in any case: then no line of any text can look like a boundary, which contains `=_`.
fn encoded(text: String, encoding: ContentTransferEncoding) -> Body {
    Body::new_with_encoding(text, encoding).expect("quoted-printable and base64 can carry any text")
}

/// A name of one line; none instead of an empty one.
fn tidy(name: Option<&str>, email: Address) -> Mailbox {
    let name = name.map(|name| clean::line(name, 100));
    Mailbox::new(name.filter(|name| !name.is_empty()), email)
}

/// ASCII only: a server without SMTPUTF8 could not take anything else, and domains have an ASCII form. What is not
/// usable comes back, cleaned.
pub(super) fn address(email: &str) -> Result<Address, String> {
    let usable = email.is_ascii() && !email.bytes().any(|byte| byte.is_ascii_control());
    match email.parse() {
        Ok(address) if usable => Ok(address),
        _ => Err(clean::line(email, 100)),
    }
}

fn message_id(id: &str) -> Result<String, ComposeError> {
    let usable = id.len() <= 200
        && id.split('@').filter(|part| !part.is_empty()).count() == 2
        && id.matches('@').count() == 1
        && id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>()[],;:\\\"".contains(&byte));
    if usable {
        Ok(format!("<{id}>"))
    } else {
        Err(ComposeError::MessageId(clean::line(id, 100)))
    }
}

/// The date header knows the years 1970 to 9999 only.
fn date(at: Timestamp) -> Result<SystemTime, ComposeError> {
    if at.as_second() < 0 {
        return Err(ComposeError::Time);
    }
    Ok(SystemTime::from(at))
}

/// FNV-1a, for names that must be the same in every version of the program.
pub fn fingerprint(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}
