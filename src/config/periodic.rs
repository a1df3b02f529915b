//! `[periodic.N]`.

use jiff::SignedDuration;

use super::command::{GRACE, SECOND};
use super::keys;
use super::ping::Pinged;
use super::reading::Reading;
use super::tree::{Field, Fields};
use crate::core::policy::{DuringMaintenance, Missed, Name, Outside, Overlap, PeriodicJob};

impl<'a> Reading<'a> {
    /// One for each of its hosts, called `NAME@HOST` where there are several.
    pub fn periodic(&mut self, field: Field<'a>) -> Option<Vec<PeriodicJob>> {
        let fields = self.entry("periodic", field, keys::PERIODIC)?;
        let what = "a periodic job";
        for key in ["schedule", "timeout"] {
            if !fields.has(key) {
                self.missing(&fields, what, key);
            }
        }
        let schedule = fields.get("schedule").and_then(|item| self.schedule(item));
        let zone = self.zone_of(&fields);
        let hosts = self.hosts(&fields);
        let command = self.command(&fields, what, (false, &hosts));
        let name = self.name(field.key);
        self.ping_of(&fields, Pinged::Periodic(name.clone()));
        let timeout = fields
            .get("timeout")
            .and_then(|item| self.duration(item, SECOND));
        let overlap = [("skip", Overlap::Skip), ("queue", Overlap::Queue)];
        let overlap = fields
            .get("overlap")
            .and_then(|item| self.choice(item, &overlap));
        let job = PeriodicJob {
            name,
            host: hosts.first()?.clone(),
            description: fields
                .get("description")
                .and_then(|item| self.line(item))
                .map(str::to_owned),
            zone,
            grace: self.duration_or(&fields, "grace", SignedDuration::ZERO, GRACE),
            overlap: overlap.unwrap_or(Overlap::Skip),
            missed: self.missed(&fields),
            window: self.bound(
                &fields,
                "window",
                "outside",
                &[("defer", Outside::Defer), ("skip", Outside::Skip)],
            ),
            app: self.bound(
                &fields,
                "app",
                "during_maintenance",
                &[
                    ("hold", DuringMaintenance::Hold),
                    ("run", DuringMaintenance::Run),
                ],
            ),
            locks: self.locks(&fields),
            lock_wait: self.duration_or(
                &fields,
                "lock_wait",
                SignedDuration::ZERO,
                SignedDuration::ZERO,
            ),
            retry: self.retry(&fields),
            jitter: self.duration_or(
                &fields,
                "jitter",
                SignedDuration::ZERO,
                SignedDuration::ZERO,
            ),
            schedule: schedule?,
            command: command?,
            timeout: timeout?,
        };
        if hosts.len() == 1 {
            return Some(vec![job]);
        }
        let on = |host: Name| PeriodicJob {
            name: format!("{}@{host}", job.name).into(),
            host,
            ..job.clone()
        };
        Some(hosts.into_iter().map(on).collect())
    }

    fn missed(&mut self, fields: &Fields<'a>) -> Missed {
        let within = fields
            .get("missed_within")
            .and_then(|item| self.duration(item, SECOND));
        let skip = fields
            .get("missed")
            .and_then(|item| self.choice(item, &[("once", false), ("skip", true)]));
        if skip == Some(true) {
            if fields.has("missed_within") {
                let place = fields.place_of("missed_within");
                self.problems
                    .error(place, "`missed_within` does not go with missed = \"skip\"");
            }
            return Missed::Skip;
        }
        Missed::Once { within }
    }

    /// A window or an app, and how the job behaves towards it; the first choice is the default.
    fn bound<T: Copy>(
        &mut self,
        fields: &Fields<'a>,
        table: &'static str,
        how: &str,
        choices: &[(&str, T)],
    ) -> Option<(Name, T)> {
        let chosen = fields.get(how).and_then(|item| self.choice(item, choices));
        let Some(item) = fields.get(table) else {
            if fields.has(how) {
                self.problems
                    .error(fields.place_of(how), format!("`{how}` needs `{table}`"));
            }
            return None;
        };
        let name = self.existing(item, table)?;
        let (_, default) = choices.first()?;
        Some((name, chosen.unwrap_or(*default)))
    }
}
