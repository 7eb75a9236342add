#![no_main]
//! See `tracer_user::fuzzing::cgroup_paths`.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tracer_user::fuzzing::cgroup_paths(bytes));
