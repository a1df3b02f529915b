//! What text must be that is shown to people.

/// Whether a character moves the cursor, or reorders what stands around it.
fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line that a terminal shows as it is.
#[track_caller]
pub fn line(text: &str, most: usize) {
    assert!(!text.chars().any(is_harmful), "harmful: {text:?}");
    let length = text.chars().count();
    assert!(length <= most, "{length} characters: {text:?}");
}

/// Lines that a terminal shows as they are.
#[track_caller]
pub fn lines(text: &str) {
    assert!(
        !text.chars().any(|c| c != '\n' && is_harmful(c)),
        "harmful: {text:?}"
    );
}
