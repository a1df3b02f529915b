//! Who is told: roles with their people, and plain addresses.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lettre::Address;
use lettre::message::Mailbox;

use super::keys;
use super::reading::{NAME_HINT, Reading, wrong_name};
use super::tree::{Fields, Item};
use crate::core::policy::{Audience, Language, Name, Person};

const MOST_PEOPLE: usize = 1_000;
/// Of all the roles and addresses that one key names.
const MOST_TOLD: usize = 5_000;

/// The people of each role.
pub type Roles = HashMap<Name, Arc<[Person]>>;

impl<'a> Reading<'a> {
    /// The roles of `[contacts]` and of the contacts file.
    pub fn roles(&mut self) -> Roles {
        let mut roles = Roles::new();
        for field in self.document.table("contacts").to_vec() {
            if let Some(wrong) = wrong_name(field.key) {
                self.problems
                    .error(
                        field.place,
                        format!("`{}` cannot be a role: {wrong}", field.key),
                    )
                    .hint(NAME_HINT);
            }
            let items = self.array(
                field.item,
                r#"an array of addresses such as ["Ops <ops@example.org>"]"#,
            );
            if items.is_empty() && field.item.value.is_array() {
                self.problems.error(
                    field.item.place,
                    format!("the role `{}` has nobody in it", field.key),
                );
            }
            if items.len() > MOST_PEOPLE {
                self.problems.error(
                    field.item.place,
                    format!("more than {MOST_PEOPLE} people in one role"),
                );
            }
            let mut people: Vec<Person> = Vec::new();
            let mut seen = HashSet::new();
            for item in items.into_iter().take(MOST_PEOPLE) {
                let Some(person) = self.person(item) else {
                    continue;
                };
                if seen.insert(person.email.to_ascii_lowercase()) {
                    people.push(person);
                } else {
                    self.problems.warning(
                        item.place,
                        format!("{} is in this role twice", person.email),
                    );
                }
            }
            let name = self.name(field.key);
            roles.insert(name, people.into());
        }
        roles
    }

    fn person(&mut self, item: Item<'a>) -> Option<Person> {
        if item.value.is_str() {
            let mailbox = self.mailbox(item)?;
            return Some(self.reached_at(mailbox));
        }
        let fields = self.table(
            item,
            keys::PERSON,
            r#"an address or { email = "ops@example.org" }"#,
        )?;
        let name = fields
            .get("name")
            .and_then(|item| self.line(item))
            .map(str::to_owned);
        let words = [("en", Language::En), ("de", Language::De)];
        let language = fields
            .get("language")
            .and_then(|item| self.choice(item, &words))
            .unwrap_or_default();
        let zone = fields
            .get("time_zone")
            .and_then(|item| self.zone_named(item))
            .unwrap_or_else(|| self.zone.clone());
        let Some(email) = fields.get("email") else {
            self.missing(&fields, "a person", "email");
            return None;
        };
        let text = self.line(email)?;
        if let Err(error) = text.parse::<Address>() {
            self.problems
                .error(email.place, format!("`{text}` is not an address: {error}"));
            return None;
        }
        Some(Person {
            email: text.to_owned(),
            name,
            language,
            time_zone: self.name(zone.name()),
        })
    }

    fn reached_at(&mut self, mailbox: Mailbox) -> Person {
        let zone = self.zone.clone();
        let time_zone = self.name(zone.name());
        Person {
            email: mailbox.email.to_string(),
            name: mailbox.name,
            language: Language::default(),
            time_zone,
        }
    }

    /// One address, with a name or without.
    pub fn mailbox(&mut self, item: Item<'a>) -> Option<Mailbox> {
        let text = self.line(item)?;
        match text.parse::<Mailbox>() {
            Ok(mailbox) => Some(mailbox),
            Err(error) => {
                self.problems
                    .error(item.place, format!("`{text}` is not an address: {error}"))
                    .hint(r#""ops@example.org" or "Ops <ops@example.org>""#);
                None
            }
        }
    }

    /// Roles and plain addresses, as `notify`, `to` and `operators` name them; `None` if the key is not there.
    pub fn audiences(
        &mut self,
        fields: &Fields<'a>,
        key: &str,
        roles: &Roles,
    ) -> Option<Vec<Audience>> {
        let item = fields.get(key)?;
        let mut audiences: Vec<Audience> = Vec::new();
        let mut plain: Vec<Person> = Vec::new();
        let mut seen = HashSet::new();
        for (text, item) in self.lines(item) {
            if text.contains('@') {
                let Some(mailbox) = self.mailbox(item) else {
                    continue;
                };
                if seen.insert(mailbox.to_string()) {
                    plain.push(self.reached_at(mailbox));
                }
            } else if let Some(people) = roles.get(text) {
                if !people.is_empty() && seen.insert(text.to_owned()) {
                    audiences.push(Audience {
                        role: self.name(text),
                        people: people.clone(),
                        digest: None,
                    });
                }
            } else if self.document.complete {
                let near = self
                    .nearest(text, "contacts")
                    .map(|near| format!("did you mean `{near}`?"));
                let hint = near.unwrap_or("roles are the keys of `contacts_file` and [contacts]; plain addresses have an @".into());
                self.problems
                    .error(item.place, format!("there is no role `{text}`"))
                    .hint(hint);
            }
        }
        if !plain.is_empty() {
            audiences.push(Audience {
                role: self.name(""),
                people: plain.into(),
                digest: None,
            });
        }
        let told: usize = audiences.iter().map(|audience| audience.people.len()).sum();
        if told > MOST_TOLD {
            self.problems
                .error(
                    item.place,
                    format!("these are {told} people, {MOST_TOLD} are possible"),
                )
                .hint("an address of a mailing list stands for any number of them");
            audiences.clear();
        }
        Some(audiences)
    }
}
