//! The words of the letters, in each language. `{app}` stands for the name of the app.

use super::{Language, LetterKind};

/// Everything a letter says that is no fact.
pub(super) struct Words {
    pub app: &'static str,
    pub begins: &'static str,
    pub ends: &'static str,
    /// Of what has begun or will not happen.
    pub planned_begin: &'static str,
    pub planned_end: &'static str,
    pub expected: &'static str,
    pub zone: &'static str,
    pub window: &'static str,
    pub clock_change: &'static str,
    pub to: &'static str,
    /// Before the first time of several.
    pub from: &'static str,
    pub work: &'static str,
    pub work_done: &'static str,
    pub work_planned: &'static str,
    pub on: &'static str,
    pub if_needed: &'static str,
    pub ask_again: &'static str,
    pub reason: &'static str,
    pub next: &'static str,
    pub contact: &'static str,
    pub session: &'static str,
    pub footer: &'static str,
    pub operators: &'static str,
}

pub(super) fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &EN,
        Language::De => &DE,
    }
}

static EN: Words = Words {
    app: "Application",
    begins: "Begins",
    ends: "Ends",
    planned_begin: "Planned begin",
    planned_end: "Planned end",
    expected: "Expected length",
    zone: "Time zone",
    window: "Window",
    clock_change: "Clock change",
    to: "to",
    from: "from ",
    work: "What is done",
    work_done: "What was done",
    work_planned: "What was planned",
    on: "on",
    if_needed: "if needed",
    ask_again: "what is left of it has to be requested again",
    reason: "Reason",
    next: "Now planned for",
    contact: "Contact",
    session: "Reference",
    footer: "Sent automatically by offhours on behalf of",
    operators: "Needs attention",
};

static DE: Words = Words {
    app: "Anwendung",
    begins: "Beginn",
    ends: "Ende",
    planned_begin: "Geplanter Beginn",
    planned_end: "Geplantes Ende",
    expected: "Voraussichtliche Dauer",
    zone: "Zeitzone",
    window: "Wartungsfenster",
    clock_change: "Zeitumstellung",
    to: "bis",
    from: "ab ",
    work: "Was getan wird",
    work_done: "Was getan wurde",
    work_planned: "Was geplant war",
    on: "auf",
    if_needed: "falls nötig",
    ask_again: "der Rest muss neu angefordert werden",
    reason: "Grund",
    next: "Neuer Termin",
    contact: "Kontakt",
    session: "Kennung",
    footer: "Automatisch versandt von offhours für",
    operators: "Hier wird jemand gebraucht",
};

/// The subject without time and installation.
pub(super) fn subject(kind: LetterKind, language: Language) -> &'static str {
    use LetterKind::*;
    match (language, kind) {
        (Language::En, Advance) => "Maintenance of {app}",
        (Language::En, Changed) => "Changed: maintenance of {app}",
        (Language::En, Cancelled) => "Cancelled: maintenance of {app}",
        (Language::En, Postponed) => "Postponed: maintenance of {app}",
        (Language::En, Started) => "Started: maintenance of {app}",
        (Language::En, Finished) => "Finished: maintenance of {app}",
        (Language::En, Failed) => "Failed: maintenance of {app}",
        (Language::En, Digest) => "Planned maintenance: {count} sessions",
        (Language::En, Operators) => "Needs attention: {app}",
        (Language::En, Test) => "Test: nothing is planned",
        (Language::De, Advance) => "Wartung von {app}",
        (Language::De, Changed) => "Geändert: Wartung von {app}",
        (Language::De, Cancelled) => "Abgesagt: Wartung von {app}",
        (Language::De, Postponed) => "Verschoben: Wartung von {app}",
        (Language::De, Started) => "Begonnen: Wartung von {app}",
        (Language::De, Finished) => "Beendet: Wartung von {app}",
        (Language::De, Failed) => "Fehlgeschlagen: Wartung von {app}",
        (Language::De, Digest) => "Geplante Wartungen: {count} Termine",
        (Language::De, Operators) => "Eingreifen nötig: {app}",
        (Language::De, Test) => "Test: nichts ist geplant",
    }
}

/// The opening sentence: what this letter is about.
pub(super) fn opening(kind: LetterKind, language: Language) -> &'static str {
    use LetterKind::*;
    match (language, kind) {
        (Language::En, Advance) => {
            "Maintenance of {app} is planned. During this time it may not be available."
        }
        (Language::En, Changed) => {
            "The announced maintenance of {app} has changed. This is what applies now."
        }
        (Language::En, Cancelled) => "The announced maintenance of {app} will not take place.",
        (Language::En, Postponed) => {
            "The announced maintenance of {app} will not take place at this time. It has been postponed; the new \
             time is announced separately."
        }
        (Language::En, Started) => "Maintenance of {app} has begun.",
        (Language::En, Finished) => "Maintenance of {app} is finished.",
        (Language::En, Failed) => "Maintenance of {app} has ended, but not everything succeeded.",
        (Language::En, Digest) => {
            "Maintenance is planned. During these times the applications may not be available. Changes, and what is \
             added, are told separately."
        }
        (Language::En, Operators) => "Something needs a person.",
        (Language::En, Test) => {
            "This is a test. Notices of maintenance will arrive here as this mail did. Nothing is planned by it, and \
             nothing needs to be done."
        }
        (Language::De, Advance) => {
            "Eine Wartung von {app} ist geplant. In dieser Zeit ist die Anwendung möglicherweise nicht erreichbar."
        }
        (Language::De, Changed) => {
            "Die angekündigte Wartung von {app} hat sich geändert. Nun gilt:"
        }
        (Language::De, Cancelled) => "Die angekündigte Wartung von {app} findet nicht statt.",
        (Language::De, Postponed) => {
            "Die angekündigte Wartung von {app} findet zu dieser Zeit nicht statt. Sie wurde verschoben; der neue \
             Termin wird gesondert angekündigt."
        }
        (Language::De, Started) => "Die Wartung von {app} hat begonnen.",
        (Language::De, Finished) => "Die Wartung von {app} ist beendet.",
        (Language::De, Failed) => {
            "Die Wartung von {app} ist beendet, aber nicht alles ist gelungen."
        }
        (Language::De, Digest) => {
            "Wartungen sind geplant. In diesen Zeiten sind die Anwendungen möglicherweise nicht erreichbar. Änderungen \
             und Neues werden gesondert mitgeteilt."
        }
        (Language::De, Operators) => "Hier wird jemand gebraucht.",
        (Language::De, Test) => {
            "Dies ist ein Test. Ankündigungen von Wartungen kommen hier an wie diese Mail. Sie kündigt nichts an, und \
             nichts ist zu tun."
        }
    }
}

/// The same of what was ended before all of it was done.
pub(super) fn subject_early(language: Language) -> &'static str {
    match language {
        Language::En => "Ended early: maintenance of {app}",
        Language::De => "Vorzeitig beendet: Wartung von {app}",
    }
}

pub(super) fn opening_early(language: Language) -> &'static str {
    match language {
        Language::En => "Maintenance of {app} was ended early. Not all of it was done.",
        Language::De => "Die Wartung von {app} wurde vorzeitig beendet. Nicht alles ist getan.",
    }
}

/// An outcome word as people say it; an unknown one as it is.
pub(super) fn outcome(word: &str, language: Language) -> &str {
    match (language, word) {
        (Language::En, "timed_out") => "timed out",
        (Language::En, "signalled") => "ended by a signal",
        (Language::En, "spawn_failed") => "could not be started",
        (Language::En, "not_begun") => "not begun",
        (Language::De, "succeeded") => "gelungen",
        (Language::De, "failed") => "fehlgeschlagen",
        (Language::De, "timed_out") => "Zeit überschritten",
        (Language::De, "signalled") => "durch ein Signal beendet",
        (Language::De, "spawn_failed") => "konnte nicht gestartet werden",
        (Language::De, "unreachable") => "nicht erreichbar",
        (Language::De, "cancelled") => "abgebrochen",
        (Language::De, "interrupted") => "unterbrochen",
        (Language::De, "postponed") => "verschoben",
        (Language::De, "skipped") => "ausgelassen",
        (Language::De, "not_begun") => "nicht begonnen",
        _ => word,
    }
}

/// That the clocks change while the window is open; `length` is how much that makes it longer or shorter.
pub(super) fn clock_change(length: &str, longer: bool, language: Language) -> String {
    match (language, longer) {
        (Language::En, true) => format!("this window is {length} longer than usual"),
        (Language::En, false) => format!("this window is {length} shorter than usual"),
        (Language::De, true) => format!("dieses Fenster ist {length} länger als sonst"),
        (Language::De, false) => format!("dieses Fenster ist {length} kürzer als sonst"),
    }
}

/// The end of a list that was cut short.
pub(super) fn more(count: usize, language: Language) -> String {
    match language {
        Language::En => format!("and {count} more"),
        Language::De => format!("und {count} weitere"),
    }
}
