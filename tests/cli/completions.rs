//! What shells offer while a command is being written.
use std::process::Command;

use assert_cmd::cargo::cargo_bin;

use crate::{FILE, Place};

/// What bash offers for the last of these words.
fn offered(place: &Place, words: &[&str]) -> Vec<String> {
    let script = r#"
source completions.bash
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
_offhours_named "$1" "${@: -1}" "${@: -2:1}"
printf '%s\n' "${COMPREPLY[@]}"
"#;
    let output = Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(cargo_bin("offhours"))
        .args(words)
        .current_dir(place.dir.path())
        .env_remove("OFFHOURS_CONFIG")
        .output()
        .expect("bash");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_knows_options_and_names() {
    let place = Place::new(FILE);
    let script = place.run(&["completions", "bash"]).out;
    std::fs::write(place.dir.path().join("completions.bash"), script).expect("written");
    assert_eq!(offered(&place, &["request", "o"]), ["os-updates"]);
    assert_eq!(offered(&place, &["explain", "g"]), ["gc"]);
    assert_eq!(offered(&place, &["pause", ""]), ["shop"]);
    assert_eq!(offered(&place, &["windows", "n"]), ["night"]);
    assert!(offered(&place, &["pause", "--rea"]).contains(&"--reason".to_owned()));
    assert!(offered(&place, &["stat"]).contains(&"status".to_owned()));
}

#[test]
fn every_shell_has_a_script_that_names_no_internal_option() {
    let place = Place::new(FILE);
    for shell in ["bash", "zsh", "fish"] {
        let said = place.run(&["completions", shell]);
        assert_eq!(said.code, 0, "{}", said.err);
        assert!(said.out.contains("internal-names"), "{shell}");
        if shell == "zsh" {
            assert!(!said.out.contains("--columns"), "{shell}");
            let named = said.out.matches("{_offhours_named ").count();
            assert!(named >= 14, "{named} arguments have names");
        }
    }
}
