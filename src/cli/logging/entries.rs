//! What is logged, as entries of the journal with a field for each value.
use std::fmt::{self, Write};
use std::sync::mpsc::SyncSender;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::Said;
use crate::systemd::journal::{Entry, Priority};

/// Characters of a value that are repeated in the message; the field has all of them.
const SHOWN: usize = 2_000;

/// Hands entries to the writer; those for which it has no time are left out.
pub(super) struct Entries(pub(super) SyncSender<Said>);

impl<S: Subscriber> Layer<S> for Entries {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut values = Values::default();
        event.record(&mut values);
        let priority = match *event.metadata().level() {
            Level::ERROR => Priority::Error,
            Level::WARN => Priority::Warning,
            Level::INFO => Priority::Info,
            _ => Priority::Debug,
        };
        let mut entry = Entry::new(priority, &values.message());
        entry.field("target", event.metadata().target());
        for (name, value) in &values.fields {
            entry.field(name, value);
        }
        let _ = self.0.try_send(Said::Entry(entry));
    }
}

#[derive(Default)]
struct Values {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Values {
    /// With the values behind it, as text has them: whoever reads the journal sees no fields.
    fn message(&self) -> String {
        let mut message = self.message.clone();
        for (name, value) in &self.fields {
            let shown = &value[..value.floor_char_boundary(SHOWN)];
            let more = if shown.len() < value.len() { "…" } else { "" };
            // Into a string: this cannot fail.
            let _ = write!(message, " {name}={shown}{more}");
        }
        message
    }

    fn put(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            name => self.fields.push((name, value)),
        }
    }
}

impl Visit for Values {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}
