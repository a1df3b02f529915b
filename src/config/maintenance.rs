//! `[maintenance.N]`.

use std::collections::HashSet;

use jiff::SignedDuration;

use super::app::AppWindows;
use super::command::{GRACE, MINUTE, SECOND};
use super::keys;
use super::ping::Pinged;
use super::reading::Reading;
use super::tree::{Field, Fields, Item};
use crate::core::policy::{Due, MaintenanceJob, Name, OnFailure, ProvenBy};
use crate::core::proof::LONGEST;

/// What `after` may be.
const AFTER: &str = r#"an array of jobs, or { job = "staging", succeeded_for = "2d" }"#;

impl<'a> Reading<'a> {
    pub fn maintenance(
        &mut self,
        field: Field<'a>,
        windows: &AppWindows,
    ) -> Option<MaintenanceJob> {
        let fields = self.entry("maintenance", field, keys::MAINTENANCE)?;
        let name = self.name(field.key);
        let what = "a maintenance job";
        let description = fields
            .get("description")
            .and_then(|item| self.line(item))
            .map(str::to_owned);
        if !fields.has("app") {
            self.missing(&fields, what, "app");
        }
        let app = fields
            .get("app")
            .and_then(|item| self.existing(item, "app"));
        let window = match (fields.get("window"), &app) {
            (Some(item), _) => self.existing(item, "window"),
            (None, Some(app)) => {
                let default = windows.get(app).cloned();
                if default.is_none() && !self.app_names_window(app) {
                    let hint = format!("name one here, or as the default of [app.{app}]");
                    self.problems
                        .error(field.place, "a maintenance job needs a `window`")
                        .hint(hint);
                }
                default
            }
            (None, None) => None,
        };
        let due = self.due(&fields);
        let (after, proven_by) = self.after(&fields);
        let hosts = self.hosts(&fields);
        let command = self.command(&fields, what, (false, &hosts));
        self.ping_of(&fields, Pinged::Maintenance(name.clone()));
        let estimate = fields
            .get("estimate")
            .and_then(|item| self.duration(item, SECOND));
        let reboot = fields.get("reboot").and_then(|item| self.boolean(item));
        let reboot = reboot.unwrap_or(false);
        let longest = match reboot {
            true => SignedDuration::from_mins(15),
            false => SignedDuration::from_hours(1),
        };
        let timeout = self.duration_or(&fields, "timeout", SECOND, longest);
        let on_failure = [("stop", OnFailure::Stop), ("continue", OnFailure::Continue)];
        let on_failure = fields
            .get("on_failure")
            .and_then(|item| self.choice(item, &on_failure));
        let repeat = [("carry", false), ("repeat", true)];
        let repeat = fields
            .get("on_interrupt")
            .and_then(|item| self.choice(item, &repeat));
        let approval = fields.get("approval").and_then(|item| self.approval(item));
        if let (Some(_), Some(item), Some(Due::Window | Due::Schedule(..))) =
            (&approval, fields.get("approval"), &due)
        {
            self.problems
                .error(
                    item.place,
                    "only a job that is requested can wait for an approval",
                )
                .hint("every = \"request\": what is regular must need nobody's hand");
        }
        let priority = fields
            .get("priority")
            .and_then(|item| self.integer(item, i32::MIN.into()..=i32::MAX.into()));
        if let Some(estimate) = estimate.filter(|&estimate| estimate > timeout) {
            let timeout = super::duration::format(timeout);
            let message = format!(
                "the estimate of {} is longer than the timeout of {timeout}",
                super::duration::format(estimate)
            );
            self.problems.error(fields.place_of("estimate"), message);
        }
        Some(MaintenanceJob {
            description,
            grace: self.duration_or(&fields, "grace", SignedDuration::ZERO, GRACE),
            locks: self.locks(&fields),
            hosts: hosts.clone(),
            after,
            proven_by,
            labels: self.labels(&fields, "labels"),
            host_labels: Vec::new(),
            only_if: fields
                .get("only_if")
                .and_then(|item| self.asked(item, MINUTE, (false, &hosts))),
            retry: self.retry(&fields),
            priority: priority
                .and_then(|priority| i32::try_from(priority).ok())
                .unwrap_or(0),
            on_failure: on_failure.unwrap_or(OnFailure::Stop),
            repeat_on_interrupt: repeat.unwrap_or(false),
            approval,
            rolling: self.rolling(&fields, &hosts),
            reboot,
            estimate,
            timeout,
            name,
            app: app?,
            window: window?,
            due: due?,
            command: command?,
        })
    }

    /// Whether an app has a default window, though perhaps a wrong one, of which its own entry tells.
    fn app_names_window(&self, app: &str) -> bool {
        self.document
            .fields("app", app)
            .is_some_and(|fields| fields.has("window"))
    }

    fn due(&mut self, fields: &Fields<'a>) -> Option<Due> {
        match (fields.get("every"), fields.get("schedule")) {
            (Some(every), None) => {
                if let Some(zone) = fields.get("time_zone") {
                    self.zone_named(zone);
                    self.problems.warning(
                        zone.place,
                        "`time_zone` belongs to `schedule` and does nothing here",
                    );
                }
                let requested = self.choice(every, &[("window", false), ("request", true)])?;
                Some(if requested { Due::Request } else { Due::Window })
            }
            (None, Some(item)) => {
                let zone = self.zone_of(fields);
                self.schedule(item).map(|expr| Due::Schedule(expr, zone))
            }
            (Some(_), Some(_)) => {
                self.problems.error(
                    fields.place_of("schedule"),
                    "`every` and `schedule` exclude each other",
                );
                None
            }
            (None, None) => {
                self.problems
                    .error(fields.place_of(""), "this job does not say when it is due")
                    .hint(r#"every = "window", every = "request", or schedule = "0 0 * * 6""#);
                None
            }
        }
    }

    /// `approval`: a role of `[control]`.
    fn approval(&mut self, item: Item<'a>) -> Option<Name> {
        if item.value.as_str() == Some("") {
            return None;
        }
        let role = self.line(item)?;
        let control = self.document.section("control");
        let roles = control.and_then(|control| control.get("roles"));
        let roles = roles.and_then(|roles| Some(Fields::of(roles.value.as_table()?, roles.place)));
        if roles.as_ref().is_some_and(|roles| roles.has(role)) {
            return Some(role.into());
        }
        let names = roles
            .iter()
            .flat_map(|roles| &roles.list)
            .map(|role| role.key);
        let hint = match keys::nearest(role, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("[control]\nroles = {{ {role} = [\"USER\", \"@GROUP\"] }}"),
        };
        self.problems
            .error(item.place, format!("[control] has no role `{role}`"))
            .hint(hint);
        None
    }

    /// `locks`: names of files beside those of the jobs themselves.
    pub fn locks(&mut self, fields: &Fields<'a>) -> Vec<Name> {
        let locks = self.labels(fields, "locks");
        if let Some(lock) = locks
            .iter()
            .find(|lock| lock.starts_with("maintenance.") || lock.starts_with("periodic."))
        {
            self.problems
                .error(
                    fields.place_of("locks"),
                    format!("`{lock}` is the name of a job's own lock"),
                )
                .hint("give both jobs a lock of another name");
        }
        locks
    }

    /// `after`: jobs by name, or as tables that say for how long they must have succeeded.
    fn after(&mut self, fields: &Fields<'a>) -> (Vec<Name>, Vec<ProvenBy>) {
        let (mut first, mut proven) = (Vec::new(), Vec::new());
        let Some(item) = fields.get("after") else {
            return (first, proven);
        };
        let items = if item.value.is_table() {
            vec![item]
        } else {
            self.array(item, AFTER)
        };
        for item in items {
            if !item.value.is_table() {
                first.extend(self.existing(item, "maintenance"));
                continue;
            }
            let Some(inner) = self.table(item, keys::AFTER, AFTER) else {
                continue;
            };
            if !inner.has("job") {
                self.missing(&inner, "an entry of `after`", "job");
            }
            let job = inner.get("job");
            let job = job.and_then(|job| self.existing(job, "maintenance"));
            let Some(time) = inner.get("succeeded_for") else {
                first.extend(job);
                continue;
            };
            let Some(succeeded_for) = self.duration(time, SignedDuration::ZERO) else {
                continue;
            };
            if succeeded_for > LONGEST {
                self.problems
                    .error(time.place, "`succeeded_for` is longer than 30 days");
            }
            proven.extend(job.map(|job| ProvenBy { job, succeeded_for }));
        }
        let mut seen = HashSet::new();
        first.retain(|job| seen.insert(job.clone()));
        (first, proven)
    }
}
