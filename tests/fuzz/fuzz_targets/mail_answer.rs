#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // The client catches what lettre panics at; what nobody catches ends the run all the same.
        let abort = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let lettre = info.location().is_some_and(|at| at.file().contains("/lettre-"));
            if !lettre {
                abort(info);
            }
        }));
    },
    |data: &[u8]| targets::mail_answer::run(data)
);
