#![no_main]
//! See `tracer_user::fuzzing::attach`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tracer_user::fuzzing::attach(bytes));
