//! The status page: one table after the other, no scripts.
use std::sync::LazyLock;

use jiff::SignedDuration;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value, context, value::Serde};

use crate::core::calendar::Zone;
use crate::core::report::{Status, relative, span, when};

/// The style sheet, served beside the page so that it needs no exception from the content security policy.
pub const STYLE: &str = include_str!("page.css");
const PAGE: &str = include_str!("page.html");

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.add_filter("words", |text: String| text.replace('_', " "));
    templates.add_filter("at", at);
    templates.add_filter("from", from);
    templates.add_filter("span", |seconds: i64| {
        span(SignedDuration::from_secs(seconds))
    });
    templates
});

/// The page as HTML.
///
/// # Errors
/// When the template does not fit the status: a defect of this program.
pub fn render(status: &Status) -> Result<String, Error> {
    TEMPLATES
        .template_from_str(PAGE)?
        .render(context! { status => Value::from(Serde(status)), matters => Value::from(Serde(status.matters())) })
}

/// An instant for people, by the wall clock of that zone; nothing where there is none.
fn at(instant: Option<String>, zone: String) -> String {
    let zone = Zone::named(&zone).unwrap_or_else(|_| Zone::utc());
    let parsed = instant.and_then(|text| text.parse().ok());
    parsed.map_or_else(String::new, |t| when(&zone, t))
}

/// An instant against another: `in 3 h`, `5 min ago`.
fn from(instant: Option<String>, now: String) -> String {
    let parsed = instant
        .and_then(|text| text.parse().ok())
        .zip(now.parse().ok());
    parsed.map_or_else(String::new, |(t, now)| relative(t, now))
}
