use super::*;

fn header(kind: u16, len: u32) -> Vec<u8> {
    let mut bytes = 7_u64.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(0_u16.to_ne_bytes());
    bytes.extend(len.to_ne_bytes());
    bytes
}

fn thread_record(pid: u32, tid: u32) -> Vec<u8> {
    let mut bytes = header(kind::THREAD, 72);
    bytes.extend([pid, tid].map(u32::to_ne_bytes).concat());
    bytes.extend([99_u64, 1, 2, 4, 8].map(u64::to_ne_bytes).concat());
    bytes.extend([task_flags::EXITING, 0].map(u32::to_ne_bytes).concat());
    bytes
}

fn actions_record(pid: u32) -> Vec<u8> {
    let mut bytes = header(kind::ACTIONS, 2080);
    bytes.extend([pid, 0].map(u32::to_ne_bytes).concat());
    bytes.extend(99_u64.to_ne_bytes());
    for signal in 1..=64_u64 {
        let handler = match signal {
            1 => 1,
            15 => 0xabcd,
            _ => 0,
        };
        bytes.extend([handler, signal << 8, 0, 0].map(u64::to_ne_bytes).concat());
    }
    bytes
}

fn decoded(bytes: &[u8]) -> Result<Surveyed, DecodeError> {
    let mut surveyed = Surveyed::default();
    take_in(bytes, &mut surveyed).map(|()| surveyed)
}

#[test]
fn threads_and_actions_come_mixed() {
    let bytes = [thread_record(5, 5), actions_record(5), thread_record(5, 6)].concat();
    let surveyed = decoded(&bytes).expect("records");
    let key = TaskKey { pid: 5, start: 99 };
    let tids: Vec<_> = surveyed.threads[&key].iter().map(|thread| thread.tid).collect();
    assert_eq!(tids, [5, 6]);
    let thread = surveyed.threads[&key][0];
    assert_eq!((thread.blocked, thread.real_blocked), (SignalSet(1), SignalSet(2)));
    assert_eq!((thread.pending, thread.exiting), (SignalSet(12), true));
    let actions = surveyed.actions[&key];
    assert_eq!(actions.of(Signal::TERM), SignalAction { handler: 0xabcd, flags: 15 << 8 });
    assert_eq!(actions.caught(), SignalSet::from_iter([Signal::TERM]));
    assert_eq!(actions.ignored(), SignalSet::from_iter([Signal::HUP]));
}

#[test]
fn what_is_no_record_is_an_error() {
    assert!(decoded(&[]).is_ok());
    assert!(decoded(&[1, 2, 3]).is_err());
    let whole = thread_record(1, 1);
    for cut in 1..whole.len() {
        assert!(decoded(&whole[..cut]).is_err(), "{cut}");
    }
    assert!(decoded(&header(kind::THREAD, 0)).is_err());
    assert!(decoded(&header(kind::SIGNAL, 16)).is_err());
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn we_see_ourselves() {
    let surveyed = Survey::load(None).unwrap().look().unwrap();
    let own = surveyed.tasks.iter().find(|seen| seen.process.task.pid == std::process::id()).expect("we are there");
    let key = own.process.task.key();
    let tids: Vec<_> = surveyed.threads[&key].iter().map(|thread| thread.tid).collect();
    assert!(tids.contains(&key.pid) && tids.len() >= 2, "the test harness has a thread for this test: {tids:?}");
    let actions = surveyed.actions[&key];
    assert_eq!((actions.caught(), actions.ignored()), (own.process.caught, own.process.ignored));
    // Rust's runtime ignores SIGPIPE and handles SIGSEGV
    assert!(actions.caught().has(Signal::SEGV) && actions.ignored().has("PIPE".parse().unwrap()));
}
