//! The order of due jobs, beside the plainest way to find it.

use super::*;
use offhours::core::plan::order;
use offhours::core::policy::MaintenanceJob;

/// The first by priority, due and file of those whose earlier jobs are all done, again and again.
fn plainly(jobs: &[(&MaintenanceJob, Timestamp)]) -> Vec<usize> {
    let mut left: Vec<usize> = (0..jobs.len()).collect();
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let free = |i: &&usize| {
            let after = &jobs[**i].0.after;
            !left
                .iter()
                .any(|other| after.contains(&jobs[*other].0.name))
        };
        let first = left.iter().filter(free);
        let first = first.min_by_key(|i| (-jobs[**i].0.priority, jobs[**i].1, **i));
        let chosen = *first.expect("no circles");
        left.retain(|i| *i != chosen);
        ordered.push(chosen);
    }
    ordered
}

#[test]
fn jobs_of_many_hosts_come_in_order() {
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..40 {
        let mut text = String::from(HEAD);
        let count = rng.usize(1..9);
        for n in 0..count {
            let earlier: Vec<String> = (0..n)
                .filter(|_| rng.u32(0..3) == 0)
                .map(|other| format!("\"j{other}\""))
                .collect();
            text += &format!(
                "[maintenance.j{n}]\napp = \"shop\"\nevery = \"window\"\nrun = [\"/bin/x\"]\n\
                 priority = {}\nafter = [{}]\n",
                rng.i32(-1..2),
                earlier.join(", ")
            );
        }
        let policy = scene::policy(&text);
        let mut names: Vec<&MaintenanceJob> = policy.maintenance.values().collect();
        rng.shuffle(&mut names);
        // Each on a few hosts, due on different days.
        let mut steps: Vec<(&MaintenanceJob, Timestamp)> = Vec::new();
        for job in names {
            for _ in 0..rng.usize(1..4) {
                steps.push((job, Timestamp::from_second(rng.i64(0..3)).unwrap()));
            }
        }
        assert_eq!(order(&steps), plainly(&steps), "{text}");
    }
}
