#![no_main]

#[path = "../src/checks.rs"]
#[expect(dead_code, reason = "the other targets use the rest")]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::signature_header(data));
