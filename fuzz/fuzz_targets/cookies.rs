#![no_main]

#[path = "../src/requests.rs"]
#[expect(dead_code, reason = "the other targets use the rest")]
mod requests;

libfuzzer_sys::fuzz_target!(|data: &[u8]| requests::cookies(data));
