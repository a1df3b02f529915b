//! Spans in which windows do not open.
use std::sync::Arc;

use jiff::Timestamp;

use super::Zone;

/// `[from, until)` taken out of windows. Empty `apps` and `windows` mean all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Freeze {
    pub name: Arc<str>,
    pub zone: Zone,
    pub from: Timestamp,
    pub until: Timestamp,
    pub except_labels: Vec<Arc<str>>,
    pub apps: Vec<Arc<str>>,
    pub windows: Vec<Arc<str>>,
}

impl Freeze {
    /// Whether work with these labels is held back in this window. Work of no app is not meant by a freeze of apps.
    pub fn applies(&self, window: &str, app: Option<&str>, labels: &[Arc<str>]) -> bool {
        let window_meant = self.windows.is_empty() || self.windows.iter().any(|w| **w == *window);
        let app_meant =
            self.apps.is_empty() || app.is_some_and(|app| self.apps.iter().any(|a| **a == *app));
        let exempt = labels
            .iter()
            .any(|label| self.except_labels.contains(label));
        window_meant && app_meant && !exempt
    }

    /// The span as [`super::subtract`] takes it.
    pub fn span(&self) -> (Timestamp, Timestamp) {
        (self.from, self.until)
    }
}

#[cfg(test)]
mod tests;
