#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::launcher_wire::run(data));
