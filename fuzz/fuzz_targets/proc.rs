#![no_main]
//! See `tracer_user::fuzzing::proc`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tracer_user::fuzzing::proc(bytes));
