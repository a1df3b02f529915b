//! One load: find, read, merge, validate, look ahead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use toml::Spanned;
use toml::de::DeTable;

use super::note::Note;
use super::people::Roles;
use super::problem::{Problem, Problems};
use super::reading::Reading;
use super::settings::Settings;
use super::source::{Place, Sources};
use super::tree::{self, Document, Fields, Item};
use super::trust::Trust;
use super::{Env, ahead, files, order};
use crate::core::calendar::Freeze;
use crate::core::policy::{Host, Name, Policy};

/// What the configuration is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To say all that can be said about it.
    Check,
    /// To act on it: secrets must be there, and mail where people are to be told.
    Run,
    /// To answer a question: neither secrets nor programs need be at hand, and nothing is said about the year ahead.
    Read,
}

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    pub policy: Policy,
    pub settings: Settings,
    /// Everybody who can be told, by role.
    pub contacts: Roles,
    pub warnings: Vec<Problem>,
    /// No problems; of [`Purpose::Check`] only.
    pub notes: Vec<Note>,
    /// The texts, to render the warnings.
    pub sources: Sources,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is refused: {} problems", problems.len())]
pub struct Refused {
    /// At least one error, and the warnings.
    pub problems: Vec<Problem>,
    pub sources: Sources,
}

/// No configuration file was found.
#[derive(Debug, thiserror::Error)]
#[error("there is no {}: name a file with --config or OFFHOURS_CONFIG", tried.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and no "))]
pub struct NotFound {
    pub tried: Vec<PathBuf>,
}

/// The file to be loaded: the one named, else that of `OFFHOURS_CONFIG`, else the first that exists of
/// `./windows.toml` and `/etc/offhours/windows.toml`. A file that was named need not exist: `load` says so.
pub fn find(explicit: Option<&Path>, env: &Env) -> Result<PathBuf, NotFound> {
    if let Some(path) = explicit {
        return Ok(path.to_path_buf());
    }
    if let Some(path) = env.get("OFFHOURS_CONFIG") {
        return Ok(PathBuf::from(path));
    }
    let tried = vec![
        PathBuf::from("windows.toml"),
        PathBuf::from("/etc/offhours/windows.toml"),
    ];
    tried
        .iter()
        .find(|path| path.exists())
        .cloned()
        .ok_or_else(|| NotFound {
            tried: tried.clone(),
        })
}

/// Loads and validates a file with its drop-ins, contacts and variables.
///
/// # Errors
/// All problems of all files at once.
pub fn load(path: &Path, env: &Env, now: Timestamp, purpose: Purpose) -> Result<Loaded, Refused> {
    let mut problems = Problems::default();
    let mut trust = Trust::default();
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut texts = Vec::new();
    let mut complete = files::read(path, &mut trust, &mut problems, &mut texts);
    let shown = path.with_extension("d");
    complete &= files::drop_ins(&shown, &mut trust, &mut problems, &mut texts);
    let variables = tree::overrides(env, &mut problems);
    let indices: Vec<u32> = texts
        .iter()
        .map(|source| problems.sources.push(source.clone()))
        .collect();

    let mut trees: Vec<(u32, Spanned<DeTable<'_>>)> = Vec::new();
    for (&file, source) in indices.iter().zip(&texts) {
        let tree = tree::parse(file, source, &mut problems);
        complete &= tree.is_some();
        trees.extend(tree.map(|tree| (file, tree)));
    }
    let values: Vec<_> = variables
        .iter()
        .filter_map(|(section, key, source)| {
            let file = problems.sources.push(source.clone());
            let value = toml::de::DeValue::parse(source.text()).ok()?;
            Some((*section, *key, file, value))
        })
        .collect();

    let folder = file.parent().unwrap_or(Path::new("/")).to_path_buf();
    let contacts = contacts_file(&trees, &folder).and_then(|(place, path)| {
        let text = files::contacts(&path, place, &mut trust, &mut problems);
        complete &= text.is_some();
        text
    });
    let contacts_tree = contacts.as_ref().and_then(|source| {
        let file = problems.sources.push(source.clone());
        let tree = tree::parse(file, source, &mut problems);
        complete &= tree.is_some();
        Some((file, tree?))
    });

    let mut document = Document::default();
    document.complete = complete;
    for (file, tree) in &trees {
        document.add(*file, tree, &mut problems);
    }
    for (section, key, file, value) in &values {
        let end = u32::try_from(value.span().end).unwrap_or(u32::MAX);
        let item = Item {
            value: value.get_ref(),
            place: Place {
                file: *file,
                start: 0,
                end,
            },
        };
        document.replace(section, key, item);
    }
    if let Some((file, tree)) = &contacts_tree {
        for field in Fields::of(
            tree.get_ref(),
            Place {
                file: *file,
                start: 0,
                end: 0,
            },
        )
        .list
        {
            document.entry("contacts", field, &mut problems);
        }
    }
    let mut reading = Reading::new(problems, env, folder, now, purpose);
    reading.document = document;
    reading.trust = trust;
    let (policy, settings, contacts) = read_all(&mut reading, file);
    let refused = reading.problems.refused();
    let (problems, notes) = (reading.problems, reading.notes);
    let (problems, sources) = problems.finish();
    if refused {
        return Err(Refused { problems, sources });
    }
    Ok(Loaded {
        policy,
        settings,
        contacts,
        warnings: problems,
        notes,
        sources,
    })
}

/// The contacts file as it is named at the top of a file.
fn contacts_file(trees: &[(u32, Spanned<DeTable<'_>>)], folder: &Path) -> Option<(Place, PathBuf)> {
    trees.iter().find_map(|(file, tree)| {
        let top = Fields::of(
            tree.get_ref(),
            Place {
                file: *file,
                start: 0,
                end: 0,
            },
        );
        let item = top.get("contacts_file")?;
        // What is no string is told of where the top of the file is read.
        Some((item.place, folder.join(item.value.as_str()?)))
    })
}

/// Everything the document says, as policy and settings. Wrong parts are left out: they were told of.
fn read_all(reading: &mut Reading<'_>, file: PathBuf) -> (Policy, Settings, Roles) {
    let top = reading.document.top.clone();
    let name = top
        .get("name")
        .and_then(|item| reading.line(item))
        .unwrap_or("offhours");
    let name = reading.name(name);
    if let Some(item) = top.get("contacts_file") {
        reading.line(item);
    }
    if let Some(item) = top.get("time_zone") {
        reading.zone_written = true;
        if let Some(zone) = reading.zone_named(item) {
            reading.zone = zone;
        }
    }
    let mut settings = reading.settings(file);
    let roles = reading.roles();
    let (notice, defaults) = reading.notice(roles);
    let (limits, keep) = (reading.limits(), reading.keep());

    let mut windows = IndexMap::new();
    for field in reading.document.table("window").to_vec() {
        windows.extend(
            reading
                .window(field)
                .map(|window| (window.name.clone(), window)),
        );
    }
    let freezes = reading.document.table("freeze").to_vec();
    let mut freezes: Vec<Freeze> = freezes
        .into_iter()
        .filter_map(|field| reading.freeze(field))
        .collect();
    let mut hosts: IndexMap<Name, Arc<Host>> = IndexMap::new();
    for field in reading.document.table("host").to_vec() {
        let host = reading.host(field);
        hosts.extend(host.map(|host| (host.name.clone(), Arc::new(host))));
    }
    for freeze in &mut freezes {
        let labelled = hosts.values().filter(|host| freeze.excepts(&host.labels));
        freeze.except_hosts = labelled.map(|host| host.name.clone()).collect();
    }
    let (mut apps, mut app_windows) = (IndexMap::new(), std::collections::HashMap::new());
    for field in reading.document.table("app").to_vec() {
        let app = reading.app(field, &defaults, &mut app_windows);
        apps.extend(app.map(|app| (app.name.clone(), app)));
    }
    let mut maintenance = IndexMap::new();
    for field in reading.document.table("maintenance").to_vec() {
        let mut job = reading.maintenance(field, &app_windows);
        if let Some(job) = &mut job {
            let on = job.hosts.iter().filter_map(|host| hosts.get(host));
            let labels: BTreeSet<&Name> = on.flat_map(|host| &host.labels).collect();
            job.host_labels = labels.into_iter().cloned().collect();
        }
        maintenance.extend(job.map(|job| (job.name.clone(), job)));
    }
    let mut periodic: IndexMap<Name, _> = IndexMap::new();
    for field in reading.document.table("periodic").to_vec() {
        let jobs = reading.periodic(field).into_iter().flatten();
        periodic.extend(jobs.map(|job| (job.name.clone(), job)));
    }
    settings.ping.addresses = std::mem::take(&mut reading.pinged);
    order::check(&maintenance, &reading.document, &mut reading.problems);
    let zone = reading.zone.clone();
    let policy = Policy {
        name,
        zone,
        windows,
        freezes,
        hosts,
        apps,
        maintenance,
        periodic,
        notice,
        limits,
        keep,
    };
    ahead::check(&policy, reading);
    (policy, settings, defaults.roles)
}
