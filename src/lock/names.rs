//! How lock files are called: fixed, because people write them behind `flock`.

/// `maintenance.NAME[@HOST].lock`
pub fn maintenance(job: &str, host: Option<&str>) -> String {
    of_job("maintenance", job, host)
}

/// `periodic.NAME[@HOST].lock`
pub fn periodic(job: &str, host: Option<&str>) -> String {
    of_job("periodic", job, host)
}

/// `NAME.lock`, for an entry of `locks`.
pub fn named(name: &str) -> String {
    format!("{}.lock", one_file(name))
}

fn of_job(kind: &str, job: &str, host: Option<&str>) -> String {
    let host = host
        .map(|host| format!("@{}", one_file(host)))
        .unwrap_or_default();
    format!("{kind}.{}{host}.lock", one_file(job))
}

/// A name never leads out of the folder.
fn one_file(name: &str) -> String {
    name.replace(['/', '\0'], "_")
}
