//! Why a host cannot be reached, in one line that may be shown to people.

use super::Destination;
use crate::text;

/// Bytes of the line.
pub const LONGEST: usize = 300;

/// Nothing was started on the host. The line has no control characters and at most 300 bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unreachable {
    pub why: String,
}

impl Unreachable {
    pub fn new(why: &str) -> Self {
        Self { why: one_line(why) }
    }

    /// From what `ssh` said when it did not connect.
    pub(super) fn from_ssh(said: &str, destination: &Destination) -> Self {
        let name = &destination.name;
        if let Some(of) = between(said, "Host key for ", " has changed") {
            let file = destination.known_hosts.as_ref();
            let file = file.map_or(String::new(), |file| format!(" -f {}", quote(file)));
            return Self::new(&format!(
                "the host key of {name} has changed; if that is right, remove the old one as this user: \
                 ssh-keygen{file} -R '{of}'"
            ));
        }
        if said.contains("host key is known for") {
            return Self::new(&format!(
                "the host key of {name} is not known; look at it and accept it as this user: {} true",
                destination.by_hand()
            ));
        }
        let lines = said.lines().map(str::trim);
        // Of the picture that ssh draws around a warning nothing is told.
        let lines = lines.filter(|line| line.contains(|c: char| c.is_alphanumeric()));
        let said = lines.collect::<Vec<_>>().join("; ");
        // What is wrong on the way is said by another `ssh`, whose words are not heard.
        let first = destination
            .jump
            .as_deref()
            .and_then(|jump| jump.split(',').next());
        if let Some(first) = first.filter(|_| said.is_empty() || said.contains("kex_exchange")) {
            return Self::new(&format!(
                "the way over {first} does not lead to {name}; try it as this user: {}; ssh says: {said}",
                destination.by_hand_to(first)
            ));
        }
        if said.is_empty() {
            return Self::new("ssh did not connect, and did not say why");
        }
        Self::new(&said)
    }
}

/// For a shell, if somebody copies it there.
pub(super) fn quote(path: &std::path::Path) -> String {
    let path = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-~".contains(c);
    if path.chars().all(plain) {
        return path.into_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(&rest[..rest.find(after)?])
}

/// One clean line, cut to its bound.
pub(super) fn one_line(text: &str) -> String {
    let clean = text::clean(text);
    let mut line = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > LONGEST {
        let mark = "…";
        let mut end = LONGEST - mark.len();
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push_str(mark);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_clean_and_bounded() {
        assert_eq!(one_line("a\r\n\tb\u{1b}[31mc\u{202e}"), "a bc");
        let long = one_line(&"ü".repeat(400));
        assert!(long.len() <= LONGEST && long.ends_with('…'), "{long}");
    }

    #[test]
    fn a_way_that_does_not_lead_there_is_named_with_its_first_step() {
        let mut destination = Destination::new("web1", "deploy@web1");
        destination.jump = Some("ops@gate:2222,second".into());
        let said = "kex_exchange_identification: Connection closed by remote host";
        let Unreachable { why } = Unreachable::from_ssh(said, &destination);
        assert!(
            why.contains("over ops@gate:2222 does not lead to web1"),
            "{why}"
        );
        assert!(why.contains("ssh -p 2222 ops@gate true"), "{why}");
        destination.jump = None;
        let Unreachable { why } = Unreachable::from_ssh(said, &destination);
        assert_eq!(why, said);
    }

    #[test]
    fn a_changed_key_names_the_command_that_forgets_the_old_one() {
        let destination = Destination::new("web1", "deploy@web1");
        let said =
            "@@@@\r\n@ WARNING @\r\nHost key for [web1]:22 has changed and you have requested";
        let Unreachable { why } = Unreachable::from_ssh(said, &destination);
        assert!(why.ends_with("ssh-keygen -R '[web1]:22'"), "{why}");
    }
}
