//! `[app.N]`.

use std::collections::HashMap;

use jiff::SignedDuration;

use super::keys;
use super::notice::Defaults;
use super::reading::Reading;
use super::tree::Field;
use crate::core::policy::{App, Name};

/// The windows of apps, which their jobs take where they name none.
pub type AppWindows = HashMap<Name, Name>;

impl<'a> Reading<'a> {
    pub fn app(
        &mut self,
        field: Field<'a>,
        defaults: &Defaults,
        windows: &mut AppWindows,
    ) -> Option<App> {
        let fields = self.entry("app", field, keys::APP)?;
        let name = self.name(field.key);
        let description = fields
            .get("description")
            .and_then(|item| self.line(item))
            .map(str::to_owned);
        if let Some(window) = fields
            .get("window")
            .and_then(|item| self.existing(item, "window"))
        {
            windows.insert(name.clone(), window);
        }
        let mut notify = self
            .audiences(&fields, "notify", &defaults.roles)
            .unwrap_or_else(|| defaults.to.clone());
        let digests = fields
            .get("digest")
            .map(|item| self.digests(item, &defaults.roles));
        digests
            .as_ref()
            .unwrap_or(&defaults.digests)
            .put(&mut notify);
        let contact = match fields.get("contact") {
            Some(item) => self
                .lines(item)
                .into_iter()
                .map(|(text, _)| text.to_owned())
                .collect(),
            None => defaults.contact.clone(),
        };
        let enter = self.hooks(&fields, "enter");
        let leave = self.hooks(&fields, "leave");
        if !enter.is_empty() && leave.is_empty() && !fields.has("leave") {
            let place = fields.place_of("enter");
            self.problems
                .warning(
                    place,
                    format!("`app.{name}` has enter hooks and no leave hooks"),
                )
                .hint("what `enter` does nothing undoes; write leave = [] if that is meant");
        }
        let leaving = leave.iter().fold(SignedDuration::ZERO, |sum, hook| {
            sum.saturating_add(hook.timeout)
        });
        Some(App {
            description,
            notify,
            contact,
            lead: self.duration_or(&fields, "lead", SignedDuration::ZERO, defaults.lead),
            margin: self.duration_or(
                &fields,
                "margin",
                super::notice::LEAST_MARGIN,
                defaults.margin,
            ),
            leave_reserve: self.duration_or(
                &fields,
                "leave_reserve",
                SignedDuration::ZERO,
                leaving,
            ),
            drain: self.duration_or(
                &fields,
                "drain",
                SignedDuration::ZERO,
                SignedDuration::from_mins(10),
            ),
            enter,
            leave,
            name,
        })
    }
}
