//! The one binary.
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: what is forked from here must have one thread and nothing open.
    if let Some(code) = offhours::process::child::enter() {
        return code;
    }
    if let Some(code) = offhours::ssh::client::enter() {
        return code;
    }
    offhours::cli::main().into()
}
