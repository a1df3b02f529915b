//! How a maintenance job goes over its hosts.

use std::collections::HashSet;

use jiff::SignedDuration;

use super::command::SECOND;
use super::keys;
use super::reading::Reading;
use super::tree::{Fields, Item};
use crate::core::policy::{Health, InService, LOCAL, Name, Rolling, Share};

/// Hosts that may be worked on at once, and of a canary.
const MOST: i64 = 1_000;

impl<'a> Reading<'a> {
    pub fn rolling(&mut self, fields: &Fields<'a>, hosts: &[Name]) -> Rolling {
        let parallel = fields.get("parallel").map(|item| self.share(item, 1));
        let max_failures = fields.get("max_failures").map(|item| self.share(item, 0));
        let canary = fields
            .get("canary")
            .and_then(|item| self.integer(item, 0..=MOST))
            .and_then(|canary| usize::try_from(canary).ok());
        let canary = canary.unwrap_or(0);
        if let Some(item) = fields.get("canary").filter(|_| canary > hosts.len()) {
            let message = format!("{canary} hosts are to come first, of {}", hosts.len());
            self.problems.error(item.place, message);
        }
        let zero = SignedDuration::ZERO;
        let wait = self.duration_or(fields, "wait", zero, zero);
        if let (Some(item), 0, false) = (fields.get("wait"), canary, wait.is_zero()) {
            self.problems
                .error(
                    item.place,
                    "`wait` comes after `canary`, which is not given",
                )
                .hint("canary = 1; or `pause`, which comes after each host");
        }
        let in_service = self.in_service(fields, hosts);
        // It is run on those, too.
        let peers = in_service.iter().flat_map(|service| &service.hosts);
        let looked_at: Vec<Name> = hosts.iter().chain(peers).cloned().collect();
        let healthy = fields
            .get("healthy")
            .and_then(|item| self.health(item, &looked_at));
        Rolling {
            parallel: parallel.flatten().unwrap_or(Share::Count(1)),
            max_failures: max_failures.flatten().unwrap_or(Share::Count(0)),
            canary,
            wait,
            pause: self.duration_or(fields, "pause", zero, zero),
            healthy,
            in_service,
        }
    }

    /// `in_service = ["web1", "web2"]` and `at_least = 1`.
    fn in_service(&mut self, fields: &Fields<'a>, hosts: &[Name]) -> Option<InService> {
        let at_least = fields.get("at_least");
        let Some(item) = fields.get("in_service") else {
            if let Some(item) = at_least {
                self.problems
                    .error(
                        item.place,
                        "`at_least` says how many of `in_service`, which is not given",
                    )
                    .hint(r#"in_service = ["web1", "web2"]"#);
            }
            return None;
        };
        let listed = self.listed_hosts(item);
        let share = match at_least {
            Some(item) => self.share(item, 1)?,
            None => {
                self.problems
                    .error(item.place, "how many of them have to be well is not said")
                    .hint("at_least = 1");
                return None;
            }
        };
        if fields.get("healthy").is_none() {
            self.problems
                .error(item.place, "whether a host is in service is not known")
                .hint(r#"healthy = { run = ["curl", "-fsS", "http://localhost/up"] }"#);
        }
        let service = InService {
            hosts: listed,
            at_least: share,
        };
        // The host that is touched is not in service meanwhile.
        let known: HashSet<&Name> = service.hosts.iter().collect();
        let never = |host: &&Name| {
            let others = service.hosts.len() - usize::from(known.contains(host));
            others < service.least()
        };
        if let (Some(host), Some(at)) = (hosts.iter().find(never), at_least) {
            let message = format!(
                "{host} can never be touched: without it there are fewer than {} hosts",
                service.least()
            );
            self.problems.error(at.place, message);
        }
        Some(service)
    }

    /// A number, or a part such as `"10%"`.
    fn share(&mut self, item: Item<'a>, least: i64) -> Option<Share> {
        let Some(text) = item.value.as_str() else {
            let count = self.integer(item, least..=MOST)?;
            return usize::try_from(count).ok().map(Share::Count);
        };
        let percent = text.strip_suffix('%').and_then(|text| text.parse().ok());
        let percent = percent.filter(|percent| (1..=100).contains(percent));
        if percent.is_none() {
            self.problems
                .error(item.place, format!("`{text}` is no part of the hosts"))
                .hint("a number such as 3, or \"10%\"");
        }
        percent.map(Share::Percent)
    }

    fn health(&mut self, item: Item<'a>, hosts: &[Name]) -> Option<Health> {
        let wanted =
            r#"a table such as { run = ["curl", "-fsS", "http://localhost/up"], successes = 3 }"#;
        let fields = self.table(item, keys::HEALTHY, wanted)?;
        let successes = fields
            .get("successes")
            .and_then(|item| self.integer(item, 1..=1_000))
            .and_then(|successes| u32::try_from(successes).ok());
        let timeout = self.duration_or(&fields, "timeout", SECOND, SignedDuration::from_mins(5));
        let command = self.command(&fields, "`healthy`", (false, hosts))?;
        if command.beside && hosts.iter().any(|host| **host != *LOCAL) {
            self.problems
                .error(item.place, "a file is not sent to hosts for `healthy`")
                .hint("use `script`, or a program of the host");
        }
        Some(Health {
            command,
            successes: successes.unwrap_or(1),
            timeout,
        })
    }
}
