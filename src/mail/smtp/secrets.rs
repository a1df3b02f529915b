//! Login data, and keeping them out of what is said.

use base64::{Engine, engine::general_purpose::STANDARD};
use lettre::transport::smtp::authentication::Credentials;
use secrecy::{ExposeSecret, SecretString};

use crate::mail::clean;

/// User name and password. Its debug form shows neither.
#[derive(Debug)]
pub(super) struct Login {
    username: SecretString,
    password: SecretString,
}

impl Login {
    pub(super) fn new(username: &str, password: SecretString) -> Self {
        Self {
            username: username.into(),
            password,
        }
    }

    pub(super) fn credentials(&self) -> Credentials {
        Credentials::new(
            self.username.expose_secret().to_owned(),
            self.password.expose_secret().to_owned(),
        )
    }

    /// `text` as one line without the password, should a server repeat it: as it is, or in one of the forms in which
    /// it was sent.
    pub(super) fn hide(&self, text: &str) -> String {
        // Once more on what will be shown: without the characters that nobody sees it may be whole again.
        let text = self.without(text);
        self.without(&clean::line(&text, usize::MAX))
    }

    fn without(&self, text: &str) -> String {
        let password = self.password.expose_secret();
        let shown = clean::line(password, usize::MAX);
        let plain = format!("\0{}\0{password}", self.username.expose_secret());
        let forms = [
            STANDARD.encode(plain),
            STANDARD.encode(password),
            password.to_owned(),
            shown,
        ];
        forms
            .iter()
            .filter(|form| !form.is_empty())
            .fold(text.to_owned(), |text, form| text.replace(form, "***"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_the_password_survives() {
        let login = Login::new("ops", SecretString::from("hush hush"));
        let text = "535 AG9wcwBodXNoIGh1c2g= aHVzaCBodXNo hush hush for ops";
        assert_eq!(login.hide(text), "535 *** *** *** for ops");
        assert!(!format!("{login:?}").contains("hush"));
    }

    #[test]
    fn what_nobody_sees_does_not_bring_it_back() {
        let login = Login::new("ops", SecretString::from("hush  hush"));
        for text in [
            "hu\u{200b}sh  hush",
            "hush \r\n hush",
            "hu\u{1b}[31msh  hu\u{feff}sh",
            "aHVzaCAg\u{2060}aHVzaA==",
        ] {
            assert_eq!(login.hide(text), "***", "{text:?}");
        }
    }
}
