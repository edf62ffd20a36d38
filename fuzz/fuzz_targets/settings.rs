#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| farkeep_fuzz::hold(farkeep_fuzz::settings, bytes));
