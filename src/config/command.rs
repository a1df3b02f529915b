//! Commands: `run` or `script`, and how they are executed.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;

use super::Purpose;
use super::programs::{PATH, Program};
use super::reading::Reading;
use super::tree::{Fields, Item};
use crate::core::contract::is_variable;
use crate::core::policy::{Command, Hook, LOCAL, Name, Retry};

const MOST_ARGUMENTS: usize = 1_000;
const MOST_HOOKS: usize = 100;
const LONGEST_ARGUMENT: usize = 128 * 1024;

/// What the contract with jobs promises to set.
const RESERVED: &str = "OFFHOURS_";

pub const SECOND: SignedDuration = SignedDuration::from_secs(1);
pub const MINUTE: SignedDuration = SignedDuration::from_secs(60);
pub const GRACE: SignedDuration = SignedDuration::from_secs(10);

/// What restarts a machine where nothing else is said.
const REBOOT: [&str; 2] = ["systemctl", "reboot"];

impl<'a> Reading<'a> {
    /// The command of a table. `hook` is whether others must not be able to change the program.
    pub fn command(
        &mut self,
        fields: &Fields<'a>,
        what: &str,
        (hook, hosts): (bool, &[Name]),
    ) -> Option<Command> {
        let there = hosts.iter().any(|host| **host != *LOCAL);
        let here = hosts.iter().any(|host| **host == *LOCAL);
        if there {
            self.of_hosts(fields, hosts);
        }
        let mut beside = false;
        let user = self.account(fields, "user", here);
        let group = self.account(fields, "group", here);
        let umask = fields.get("umask").and_then(|item| self.umask(item));
        let env = fields
            .get("env")
            .map(|item| self.variables(item))
            .unwrap_or_default();
        if there {
            self.variables_of_hosts(fields, &env);
        }
        let dir = self.dir(fields, (here, there));
        let argv = match (fields.get("run"), fields.get("script")) {
            (Some(run), None) => {
                let (argv, found) = self.run(run, &env, (hook, here), user.as_ref())?;
                beside = found;
                argv
            }
            (None, Some(script)) => {
                let text = self.text(script)?;
                if text.trim().is_empty() {
                    self.problems.error(script.place, "this script is empty");
                    return None;
                }
                if text.len() > LONGEST_ARGUMENT {
                    self.problems
                        .error(script.place, "this script is too long")
                        .hint("put it into a file and `run` that");
                    return None;
                }
                vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()]
            }
            (Some(_), Some(_)) => {
                self.problems.error(
                    fields.place_of("script"),
                    "`run` and `script` exclude each other",
                );
                return None;
            }
            (None, None) if self.reboots(fields) => REBOOT.map(str::to_owned).to_vec(),
            (None, None) => {
                self.problems
                    .error(fields.place_of(""), format!("{what} needs a command"))
                    .hint(r#"run = ["program", "argument"] or script = "…""#);
                return None;
            }
        };
        Some(Command {
            argv,
            dir,
            user,
            group,
            umask,
            env,
            beside,
            dir_named: fields.has("dir"),
        })
    }

    /// What a shell on a host would not take, or take for its own.
    fn variables_of_hosts(&mut self, fields: &Fields<'a>, env: &[(String, String)]) {
        for (name, _) in env.iter().filter(|(name, _)| !is_variable(name)) {
            let message = format!("a command on a host cannot be given the variable `{name}`");
            let hint = "letters, digits and `_`, and none that shells use themselves, such as UID";
            self.problems
                .error(fields.place_of("env"), message)
                .hint(hint);
        }
    }

    /// What cannot be had on a host.
    fn of_hosts(&mut self, fields: &Fields<'a>, hosts: &[Name]) {
        if let Some(item) = fields.get("group") {
            self.problems
                .error(item.place, "`group` does not go with hosts")
                .hint("log in as a user who has it");
        }
        let Some(item) = fields.get("user") else {
            return;
        };
        let sudo = |host: &Name| {
            let fields = self.document.fields("host", host);
            let words = fields.and_then(|fields| fields.get("become"));
            words.is_some_and(|item| {
                let first = item
                    .value
                    .as_str()
                    .map(|text| text.split_ascii_whitespace().next());
                let array = item.value.as_array().and_then(|array| array.first());
                let first = first.unwrap_or_else(|| array.and_then(|word| word.get_ref().as_str()));
                first.is_some_and(|word| word == "sudo" || word.ends_with("/sudo"))
            })
        };
        let other = hosts.iter().find(|host| ***host != *LOCAL && !sudo(host));
        if let Some(host) = other {
            let message = format!("`user` needs `become = \"sudo -n\"` on host `{host}`");
            self.problems.error(item.place, message);
        }
    }

    /// Whether it restarts the machine.
    pub fn reboots(&self, fields: &Fields<'a>) -> bool {
        let reboot = fields.get("reboot");
        reboot.is_some_and(|item| item.value.as_bool() == Some(true))
    }

    fn run(
        &mut self,
        item: Item<'a>,
        env: &[(String, String)],
        (hook, here): (bool, bool),
        user: Option<&Name>,
    ) -> Option<(Vec<String>, bool)> {
        let whole = item;
        let (mut argv, first) = if let Some(text) = item.value.as_str() {
            (vec![text.to_owned()], item)
        } else {
            let items = self.array(item, "an array of strings or one program");
            let first = *items.first().or_else(|| {
                if item.value.as_array().is_some() {
                    self.problems.error(item.place, "this command is empty");
                }
                None
            })?;
            if items.len() > MOST_ARGUMENTS {
                self.problems
                    .error(item.place, format!("more than {MOST_ARGUMENTS} arguments"));
                return None;
            }
            let count = items.len();
            let argv: Vec<String> = items
                .into_iter()
                .filter_map(|item| self.text(item).map(str::to_owned))
                .collect();
            if argv.len() != count {
                return None;
            }
            (argv, first)
        };
        if argv
            .iter()
            .any(|argument| argument.len() > LONGEST_ARGUMENT)
        {
            self.problems.error(whole.place, "an argument is too long");
            return None;
        }
        let program = self.line(first)?;
        if program.starts_with('-') {
            self.problems.error(
                first.place,
                format!("`{program}` is an option, and no program"),
            );
            return None;
        }
        let path = env
            .iter()
            .find(|(name, _)| name == "PATH")
            .map_or(PATH, |(_, value)| value.as_str());
        // What is not beside the file is the host's own.
        if !here && program.starts_with('/') {
            return Some((argv, false));
        }
        let folder = self.folder.clone();
        let found = self.programs.find(program, &folder, path);
        if !here && matches!(found, Program::InPath | Program::NotInPath) {
            return Some((argv, false));
        }
        if let Program::At(path) | Program::Missing(path) | Program::NotExecutable(path) = &found {
            argv[0] = path.to_string_lossy().into_owned();
        }
        self.tell(first, program, &found, hook, user);
        let beside = matches!(found, Program::At(_)) && !program.starts_with('/');
        Some((argv, beside))
    }

    /// What is to be said about a program. A command that only reads need not have it at hand.
    fn tell(
        &mut self,
        item: Item<'a>,
        program: &str,
        found: &Program,
        hook: bool,
        user: Option<&Name>,
    ) {
        if self.purpose == Purpose::Read {
            return;
        }
        let spaces = program.contains(' ') && item.value.as_str() == Some(program);
        let hint = spaces.then(|| "arguments are items of their own: run = [\"program\", \"argument\"], or use `script`".to_owned());
        match found {
            Program::Missing(path) => {
                let message = format!("there is no program {}", path.display());
                let hint = hint.or(Some(
                    "a relative program is looked for beside the file".to_owned(),
                ));
                self.by_circumstance(item.place, message).maybe_hint(hint);
            }
            Program::NotExecutable(path) => {
                let message = format!("{} cannot be executed", path.display());
                self.by_circumstance(item.place, message)
                    .hint(format!("chmod +x {}", path.display()));
            }
            Program::NotInPath if spaces => {
                self.problems
                    .error(item.place, format!("there is no program `{program}`"))
                    .maybe_hint(hint);
            }
            Program::NotInPath => {
                let message = format!("there is no program `{program}` beside the file or in PATH");
                self.problems.warning(item.place, message);
            }
            Program::At(path) if hook => {
                let also = user.and_then(|user| self.programs.user(user));
                if let Some((message, hint)) = self.programs.distrusted(path, also, &mut self.trust)
                {
                    self.problems
                        .error(item.place, format!("this hook is not used: {message}"))
                        .maybe_hint(hint);
                }
            }
            Program::At(_) | Program::InPath => {}
        }
    }

    fn dir(&mut self, fields: &Fields<'a>, (here, there): (bool, bool)) -> Arc<PathBuf> {
        let Some(item) = fields.get("dir") else {
            return self.folder.clone();
        };
        let Some(text) = self.line(item) else {
            return self.folder.clone();
        };
        if there && !text.starts_with('/') {
            self.problems
                .error(item.place, "a folder on a host has to be absolute")
                .hint(r#"dir = "/srv/app""#);
        }
        let dir = self.folder.join(text);
        if here && self.purpose != Purpose::Read && !self.programs.is_folder(&dir) {
            self.problems
                .warning(item.place, format!("there is no folder {}", dir.display()));
        }
        Arc::new(dir)
    }

    /// `here` is whether anything of it runs on this machine: hosts have users of their own.
    fn account(&mut self, fields: &Fields<'a>, key: &str, here: bool) -> Option<Name> {
        let item = fields.get(key)?;
        let text = self.line(item)?;
        // A name service may be late when the machine starts, so this alone must not keep the daemon down.
        let known = !here
            || self.purpose == Purpose::Read
            || if key == "user" {
                self.programs.user(text).is_some()
            } else {
                self.programs.has_group(text)
            };
        if !known {
            self.problems
                .warning(item.place, format!("there is no {key} `{text}` here"));
        }
        Some(self.name(text))
    }

    fn umask(&mut self, item: Item<'a>) -> Option<u32> {
        let Some(text) = item.value.as_str() else {
            self.problems
                .error(item.place, "expected a umask in a string")
                .hint(r#"umask = "0022""#);
            return None;
        };
        let octal =
            (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let value = u32::from_str_radix(text, 8)
            .ok()
            .filter(|&value| octal && value <= 0o777);
        if value.is_none() {
            self.problems
                .error(item.place, format!("`{text}` is not a umask"))
                .hint(r#"three octal digits, such as "0022""#);
        }
        value
    }

    fn variables(&mut self, item: Item<'a>) -> Vec<(String, String)> {
        let Some(table) = item.value.as_table() else {
            self.mismatch(item, "a table of variables");
            return Vec::new();
        };
        let mut variables = Vec::new();
        for field in Fields::of(table, item.place).list {
            if field.key.is_empty() || field.key.contains(['=', '\0']) {
                self.problems.error(
                    field.place,
                    format!("`{}` cannot be the name of a variable", field.key),
                );
            } else if field.key.starts_with(RESERVED) {
                self.problems
                    .error(
                        field.place,
                        format!("`{}` is set by offhours itself", field.key),
                    )
                    .hint("choose another name");
            } else if field.item.value.is_str() {
                variables.extend(
                    self.text(field.item)
                        .map(|value| (field.key.to_owned(), value.to_owned())),
                );
            } else {
                self.problems
                    .error(field.item.place, "the value of a variable is a string")
                    .hint("put it into quotes");
            }
        }
        variables
    }

    /// An array of enter or leave hooks.
    pub fn hooks(&mut self, fields: &Fields<'a>, key: &str) -> Vec<Hook> {
        let Some(item) = fields.get(key) else {
            return Vec::new();
        };
        let items = self.array(item, "an array of hooks");
        if items.len() > MOST_HOOKS {
            self.problems
                .error(item.place, format!("more than {MOST_HOOKS} hooks"));
        }
        items
            .into_iter()
            .take(MOST_HOOKS)
            .filter_map(|item| self.hook(item))
            .flatten()
            .collect()
    }

    /// One for each of its hosts.
    fn hook(&mut self, item: Item<'a>) -> Option<Vec<Hook>> {
        let fields = self.table(
            item,
            super::keys::HOOK,
            r#"a hook such as { run = ["hooks/down"] }"#,
        )?;
        let timeout = self.duration_or(&fields, "timeout", SECOND, SignedDuration::from_mins(5));
        let grace = self.duration_or(&fields, "grace", SignedDuration::ZERO, GRACE);
        let hosts = self.hosts(&fields);
        let command = self.command(&fields, "a hook", (true, &hosts))?;
        let hook = |host| Hook {
            command: command.clone(),
            host,
            timeout,
            grace,
        };
        Some(hosts.into_iter().map(hook).collect())
    }

    pub fn retry(&mut self, fields: &Fields<'a>) -> Retry {
        let mut retry = Retry {
            attempts: 1,
            backoff: MINUTE,
        };
        let Some(item) = fields.get("retry") else {
            return retry;
        };
        let Some(fields) = self.table(
            item,
            super::keys::RETRY,
            r#"a table such as { attempts = 2, backoff = "1m" }"#,
        ) else {
            return retry;
        };
        if let Some(attempts) = fields
            .get("attempts")
            .and_then(|item| self.integer(item, 1..=1_000))
        {
            retry.attempts = u32::try_from(attempts).unwrap_or(1);
        }
        retry.backoff = self.duration_or(&fields, "backoff", SignedDuration::ZERO, MINUTE);
        retry
    }
}
