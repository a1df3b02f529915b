#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::state_file::run(data));
