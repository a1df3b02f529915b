//! Hosts that are the same machine.

use std::collections::HashMap;

use crate::config::reading::Reading;
use crate::core::policy::{Name, Policy};

/// No more than these are told.
const MOST: usize = 20;

/// Two hosts with one destination: nothing keeps two jobs, or two of one job, from touching the machine at once.
pub(super) fn check(policy: &Policy, reading: &mut Reading<'_>) {
    let mut first: HashMap<_, &Name> = HashMap::new();
    let mut told = 0;
    for host in policy.hosts.values() {
        let way = (&host.ssh, host.port, &host.jump, &host.ssh_config);
        let Some(other) = first.insert(way, &host.name) else {
            continue;
        };
        first.insert(way, other);
        told += 1;
        if told > MOST {
            return;
        }
        let place = reading.document.place("host", &host.name, "ssh");
        let there = reading.document.place("host", other, "ssh");
        let message = format!(
            "`host.{}` has the destination of `host.{other}`: it can be touched twice at once",
            host.name
        );
        let problem = reading.problems.warning(place, message);
        problem
            .related(there, "the other one")
            .hint("one machine is one host; a job can be kept apart from others by `locks`");
    }
}
