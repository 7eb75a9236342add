#![no_main]
//! See `tracer_user::fuzzing::btf`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tracer_user::fuzzing::btf(bytes));
