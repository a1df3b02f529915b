//! `[notice] templates`: the files of the folder; what they say is tried by `check`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Purpose;
use super::keys::nearest;
use super::problem::{Problem, Severity, Told};
use super::reading::Reading;
use super::source::{Place, Source};
use super::tree::Item;

/// Bytes of one file.
const LARGEST: u64 = 64 * 1024;
/// Files of the folder.
const MOST: usize = 50;
/// What is used; the others are for `include`, and begin with `_`.
const USED: &str =
    "letter.txt, letter.html, subject.txt, or for one language letter.de.txt and the like";
const KNOWN: [&str; 9] = [
    "letter.txt",
    "letter.en.txt",
    "letter.de.txt",
    "letter.html",
    "letter.en.html",
    "letter.de.html",
    "subject.txt",
    "subject.en.txt",
    "subject.de.txt",
];

/// The templates of notices, unread as to their meaning.
#[derive(Debug, Default)]
pub struct TemplateFiles {
    /// Their names are those of the paths.
    pub files: Vec<Arc<Source>>,
    /// Why there are none although some are wanted.
    pub lost: Option<String>,
}

impl TemplateFiles {
    /// Names and texts.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = |source| Some((Source::path(source).file_name()?.to_str()?, source.text()));
        self.files.iter().filter_map(move |source| named(source))
    }
}

impl<'a> Reading<'a> {
    pub(super) fn templates(&mut self) -> TemplateFiles {
        let item = self
            .document
            .section("notice")
            .and_then(|fields| fields.get("templates"));
        let Some((item, text)) = item.and_then(|item| Some((item, self.line(item)?))) else {
            return TemplateFiles::default();
        };
        let folder = self.folder.join(text);
        match self.template_files(item, &folder) {
            Some(files) => TemplateFiles { files, lost: None },
            None => TemplateFiles {
                files: Vec::new(),
                lost: Some(format!(
                    "the templates in {} cannot be read",
                    folder.display()
                )),
            },
        }
    }

    /// Mails go out and questions are answered without them; only who asks whether the file is right is refused.
    fn templates_lost(&mut self, place: Place, message: String) -> Told<'_> {
        match self.purpose {
            Purpose::Check => self.problems.error(place, message),
            Purpose::Run | Purpose::Read => self.problems.warning(place, message),
        }
    }

    fn template_files(&mut self, item: Item<'a>, folder: &Path) -> Option<Vec<Arc<Source>>> {
        match self.trust.resolve(folder, None) {
            Ok((_, meta)) if meta.is_dir() => {}
            Ok((path, _)) => {
                let message = format!("{} is not a folder", path.display());
                self.templates_lost(item.place, message);
                return None;
            }
            Err(error) if error.is_missing() => {
                self.templates_lost(item.place, error.to_string())
                    .hint("leave `templates` out for the built-in ones");
                return None;
            }
            Err(error) => {
                self.problems
                    .error(item.place, error.to_string())
                    .maybe_hint(error.hint());
                return None;
            }
        }
        let paths = match listed(folder) {
            Ok(paths) => paths,
            Err(error) => {
                let message = format!("cannot list {}: {error}", folder.display());
                self.templates_lost(item.place, message);
                return None;
            }
        };
        let mut files = Vec::new();
        for (name, path) in paths {
            if files.len() == MOST {
                self.problems
                    .error(item.place, format!("more than {MOST} templates"));
                break;
            }
            let of_use = KNOWN.contains(&name.as_str()) || name.starts_with('_');
            if !of_use {
                let near = nearest(&name, KNOWN);
                let hint = near.map_or_else(
                    || format!("{USED}; what these include begins with `_`"),
                    |near| format!("did you mean {near}?"),
                );
                let mut unused = Problem::with_file(&path, "nothing uses this file", Some(hint));
                unused.severity = Severity::Warning;
                self.problems.add(unused);
                continue;
            }
            match self.trust.read(&path, LARGEST) {
                Ok(text) => {
                    let source = Arc::new(Source::new(path, text));
                    self.problems.sources.push(source.clone());
                    files.push(source);
                }
                Err(error) => {
                    let problem = Problem::with_file(&path, error.to_string(), error.hint());
                    self.problems.add(problem);
                }
            }
        }
        if !files.iter().any(|file| !included(file.path())) {
            self.problems
                .warning(item.place, "there is no template in this folder")
                .hint(USED);
        }
        Some(files)
    }
}

fn included(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"_"))
}

/// Names and paths in their order, without those that are hidden or left behind by an editor.
fn listed(folder: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)?.take(20 * MOST) {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !name.ends_with('~') {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}
