//! Login data, and keeping them out of what is said.

use base64::{Engine, engine::general_purpose::STANDARD};
use lettre::transport::smtp::authentication::Credentials;
use secrecy::{ExposeSecret, SecretString};

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

    /// `text` without the password, should a server repeat it: as it is, or in one of the forms in which it was sent.
    pub(super) fn hide(&self, text: &str) -> String {
        let password = self.password.expose_secret();
        let plain = format!("\0{}\0{password}", self.username.expose_secret());
        let forms = [
            STANDARD.encode(plain),
            STANDARD.encode(password),
            password.to_owned(),
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
}
