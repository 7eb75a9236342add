use std::io::{self, Write};

use super::*;
use crate::event::{
    Ancestor, BootNs, CgroupFound, CgroupId, Comm, Deletion, Described, Event, Exited, Handler, Lost, Owner, PodName,
    PodTold, SendResult, SignalSent, Task, What,
};
use crate::signal::{Signal, SignalSet};

fn start() -> Start {
    Start {
        format: FORMAT,
        tool: "0.1.0".to_owned(),
        kernel: "6.18.5".to_owned(),
        arch: "x86_64".to_owned(),
        boot_id: "2b0c5f0e-3f0c-4c52-9f0b-6f9f0b8b1c11".to_owned(),
        boot_to_wall_ns: 1_795_269_780_000_000_000,
        attached: vec!["signal_generate".to_owned(), "sched_process_exit".to_owned()],
        cgroups: Cgroups::V2,
        command: vec!["--pod".to_owned(), "shop/web".to_owned()],
    }
}

fn task(comm: &str, pid: u32, ns_pid: u32) -> Task {
    Task { pid, tid: pid, ns_pid, start: 5_000, cgroup: CgroupId(77), comm: Comm::from(comm), flags: 1 }
}

fn events() -> Vec<Event> {
    let sent = SignalSent {
        signal: Signal::TERM,
        result: SendResult::Ignored,
        code: 0,
        target: task("sh", 4123, 1),
        sender: task("runc", 900, 900),
        ancestors: vec![Ancestor { pid: 800, comm: Comm::from("containerd-shim") }],
        handler: Handler::Default,
        sa_flags: 0,
        group: true,
        blocked: false,
        real_blocked: false,
        mask: SignalSet(0x1_0000),
        caught: Some(SignalSet(0)),
        ignored: None,
    };
    let exited = Exited {
        task: task("sh\x1b\n\"", 4123, 1),
        parent: task("shim", 800, 800),
        status: 9,
        autoreap: false,
        pending: SignalSet(0),
    };
    let found = CgroupFound {
        cgroup: CgroupId(77),
        path: "/kubepods/pod1/abc".to_owned(),
        container: "abc".to_owned(),
        own: true,
        runtime: "containerd".to_owned(),
        pod_uid: None,
        new: true,
    };
    let told = PodTold {
        pod: PodName { namespace: "shop".to_owned(), name: "web".to_owned(), uid: "9d3c".to_owned() },
        owner: Some(Owner { kind: "Deployment".to_owned(), name: "web".to_owned() }),
        deletion: Some(Deletion { requested: BootNs(2), grace_ms: 30_000, imprecise: false }),
        gone: true,
    };
    vec![
        Event(BootNs(1), What::Cgroup(found)),
        Event(BootNs(2), What::Signal(sent)),
        Event(BootNs(3), What::Tick {}),
        Event(BootNs(4), What::Exit(exited)),
        Event(BootNs(5), What::Pod(told)),
        Event(BootNs(u64::MAX), What::Lost(Lost { signal: 3, ..Lost::default() })),
    ]
}

fn recording() -> Vec<u8> {
    let mut recorder = Recorder::new(Vec::new(), &start()).expect("a Vec takes everything");
    for event in events() {
        recorder.record(&event).expect("a Vec takes everything");
    }
    recorder.finish().expect("a Vec takes everything")
}

/// What can be read, and why no more can be.
fn read(bytes: &[u8]) -> (Vec<Event>, Option<ReadError>) {
    let reader = match Reader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut events = Vec::new();
    let mut error = None;
    for event in reader {
        assert!(error.is_none(), "nothing follows an error");
        match event {
            Ok(event) => events.push(event),
            Err(found) => error = Some(found),
        }
    }
    (events, error)
}

fn said(bytes: &[u8]) -> String {
    read(bytes).1.expect("an error").to_string()
}

/// The recording with the first `from` replaced.
fn with(from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(recording()).expect("UTF-8");
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn a_recording_reads_back() {
    let bytes = recording();
    let (read_back, error) = read(&bytes);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read_back, events());
    assert_eq!(Reader::new(bytes.as_slice()).expect("a recording").start(), &start());
    assert!(bytes.is_ascii() && bytes.iter().all(|b| *b == b'\n' || !b.is_ascii_control()));
}

/// People edit recordings into test cases: spaces and the line ends of other systems are not damage.
#[test]
fn spaces_are_no_damage() {
    let spaced = String::from_utf8(recording()).expect("UTF-8").replace(':', ": ").replace('\n', "\r\n");
    let (read_back, error) = read(spaced.replace("shim: ", "shim:").as_bytes());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read_back, events());
}

/// The text of the format: a change of it needs a new [`FORMAT`].
#[test]
fn the_format_is_written_down() {
    insta::assert_snapshot!(String::from_utf8(recording()).expect("UTF-8"));
}

/// Format 1 had no pods, and all else as it is.
#[test]
fn a_recording_of_format_1_is_read() {
    let text =
        String::from_utf8(recording()).expect("UTF-8").replace("\"tracer-recording\":2", "\"tracer-recording\":1");
    let old: String = text.split_inclusive('\n').filter(|line| !line.contains("{\"pod\":")).collect();
    let (events, error) = read(old.replace("\"events\":6", "\"events\":5").as_bytes());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(events, self::events().into_iter().filter(|event| !matches!(event.1, What::Pod(_))).collect::<Vec<_>>());
}

#[test]
fn what_is_no_recording_is_told_by_its_looks() {
    for (bytes, expect) in [
        (b"".as_slice(), "it is empty"),
        (b"\x1f\x8b\x08\0", "it is compressed by gzip, unpack it first"),
        (b"\x7fELF\x02", "it is a program"),
        (b"{\"kind\":\"exit\"}\n", "it is what `tracer --output json` writes"),
        (b"{}\n", "it is JSON of another kind"),
        (b"[1,{\"tick\":{}}]\n", "its start record is missing"),
        (b"hello\n", "it is text"),
        (b"\0\x01\x02", "it is binary data"),
        (b"\n\n", "it is text"),
    ] {
        if bytes == b"\n\n" {
            // an empty first line is no start record either
            assert!(matches!(read(bytes).1, Some(ReadError::NotARecording { .. })));
            continue;
        }
        assert_eq!(said(bytes), format!("not a tracer recording: {expect}; record with `tracer --record FILE`"));
    }
    let endless = vec![b'x'; 3 * MAX_LINE];
    assert!(said(&endless).starts_with("not a tracer recording: it is text"));
}

#[test]
fn a_newer_format_is_refused_whatever_else_it_holds() {
    let newer = with("{\"tracer-recording\":2,", "{\"tracer-recording\":7,\"unheard-of\":[],");
    assert_eq!(
        said(&newer),
        "recording of format 7, written by tracer 0.1.0; this tracer reads up to format 2: update tracer"
    );
    assert!(said(&with("\"tracer-recording\":2", "\"tracer-recording\":0")).contains("there is no format 0"));
}

#[test]
fn damage_is_told_with_its_place_and_what_was_before_it_is_delivered() {
    let line =
        |n: usize| String::from_utf8(recording()).expect("UTF-8").lines().take(n).map(|l| l.len() + 1).sum::<usize>();
    let bytes = with("[3,{\"tick\":{}}]", "[3,{\"tock\":{}}]");
    let (good, error) = read(&bytes);
    assert_eq!(good, events()[..2]);
    let Some(ReadError::Corrupt { line: at, offset, what, events: before }) = error else { panic!("{error:?}") };
    assert_eq!((at, before), (4, 2));
    assert!((line(3)..line(4)).contains(&usize::try_from(offset).expect("small")), "{offset}");
    assert!(what.starts_with("unknown variant `tock`") && !what.contains("column"), "{what}");

    // unknown keys are damage, in the start record and in events
    assert!(said(&with("\"arch\":", "\"extra\":1,\"arch\":")).contains("line 1, byte"));
    assert!(said(&with("\"group\":true", "\"group\":true,\"extra\":1")).contains("unknown field `extra`"));
    // what strangers wrote into a damaged file does not reach the terminal raw
    assert!(!said(&with("\"group\":true", "\"\\u001b[2J\":true")).contains('\x1b'));
    // not even UTF-8
    let mut bytes = recording();
    bytes[line(2) + 40] = 0xff;
    assert_eq!(read(&bytes).0, events()[..1]);
}

#[test]
fn a_cut_is_told_from_damage() {
    let bytes = recording();
    let without_end = bytes.len() - "{\"end\":{\"events\":6}}\n".len();
    let (good, error) = read(&bytes[..without_end]);
    assert_eq!(good, events());
    assert!(matches!(error, Some(ReadError::Truncated { line: 8, within: false, events: 6, .. })), "{error:?}");
    assert_eq!(
        said(&bytes[..without_end]),
        format!("recording cut short before line 8, byte {without_end}; good events before that: 6")
    );
    let (good, error) = read(&bytes[..without_end - 10]);
    assert_eq!(good, events()[..5]);
    assert!(matches!(error, Some(ReadError::Truncated { line: 7, within: true, events: 5, .. })), "{error:?}");
}

#[test]
fn the_end_record_is_held_to_its_word() {
    assert!(said(&with("{\"events\":6}", "{\"events\":7}")).contains("tells of 7 events, 6 are there"));
    let mut bytes = recording();
    bytes.extend_from_slice(b"[9,{\"tick\":{}}]\n");
    let (good, error) = read(&bytes);
    assert_eq!(good, events());
    assert!(error.expect("an error").to_string().contains("something follows the end record"));
}

#[test]
fn an_endless_line_is_not_read_into_memory() {
    let mut bytes = recording();
    let at = bytes.iter().position(|b| *b == b'\n').expect("a first line") + 1;
    bytes.truncate(at);
    bytes.resize(at + 5 * MAX_LINE, b' ');
    let mut reader = Reader::new(bytes.as_slice()).expect("a start record");
    let error = reader.next().expect("an error").expect_err("too long");
    assert!(matches!(&error, ReadError::Corrupt { line: 2, what, .. } if what == "the line is too long"), "{error:?}");
    assert!(reader.next().is_none());
}

fn line_breaks(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

#[test]
fn cut_at_every_byte_it_gives_what_is_whole_and_says_so() {
    let (bytes, all) = (recording(), events());
    for length in 0..bytes.len() {
        let (good, error) = read(&bytes[..length]);
        assert_eq!(good, all[..good.len()], "{length}");
        let lines = line_breaks(&bytes[..length]);
        assert!(good.len() + 1 >= lines.min(all.len() + 1), "{length}: {} of {lines} lines", good.len());
        match error {
            // only the last line break is missing: nothing is lost
            None => assert_eq!(length, bytes.len() - 1),
            Some(ReadError::NotARecording { .. }) => assert_eq!(length, 0),
            Some(ReadError::Truncated { .. }) => {}
            Some(other) => panic!("{length}: {other:?}"),
        }
    }
}

/// A flipped bit may change a figure, which nothing can tell; it must never make events of nothing, and all lines
/// before it must come through untouched.
#[test]
fn a_flipped_bit_harms_nothing_before_it() {
    let (bytes, all) = (recording(), events());
    for at in 0..bytes.len() {
        let lines_before = line_breaks(&bytes[..at]);
        let safe = lines_before.saturating_sub(1).min(all.len());
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let (good, error) = read(&damaged);
            assert!(good.len() >= safe && good[..safe] == all[..safe], "byte {at} bit {bit}: {error:?}");
            assert!(good.len() <= all.len(), "byte {at} bit {bit}");
            assert!(good.len() == all.len() || error.is_some(), "byte {at} bit {bit}");
            if let Some(error) = error {
                assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
            }
        }
    }
}

/// Lines of a good recording in any other order, and rubbish between them: never a panic, never an endless loop.
#[test]
fn rubbish_between_good_lines() {
    let text = String::from_utf8(recording()).expect("UTF-8");
    let lines: Vec<_> = text.lines().collect();
    for rubbish in
        ["", "null", "[]", "[1]", "[1,{}]", "[-1,{\"tick\":{}}]", "{", "{}", "\u{feff}", "[1,{\"tick\":{}},2]"]
    {
        for position in 1..lines.len() {
            let mut damaged = lines.clone();
            damaged.insert(position, rubbish);
            let (good, error) = read(damaged.join("\n").as_bytes());
            assert_eq!(good, events()[..position - 1], "{rubbish:?} at {position}");
            assert!(error.is_some(), "{rubbish:?} at {position}");
        }
    }
}

#[test]
fn an_event_too_long_for_a_line_is_left_out_and_the_rest_goes_on() {
    let mut recorder = Recorder::new(Vec::new(), &start()).expect("a Vec takes everything");
    let described = Described { id: "x".repeat(MAX_LINE), ..Described::default() };
    let error = recorder.record(&Event(BootNs(1), What::Described(described))).expect_err("too long");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let tick = Event(BootNs(2), What::Tick {});
    recorder.record(&tick).expect("it goes on");
    assert_eq!(recorder.events(), 1);
    let (good, error) = read(&recorder.finish().expect("a Vec takes everything"));
    assert_eq!(good, [tick]);
    assert!(error.is_none());
}

#[test]
fn after_a_failed_write_nothing_more_is_written() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut recorder = Recorder::new(Full(500), &start()).expect("buffered");
    recorder.record(&events()[1]).expect("buffered");
    assert_eq!(recorder.flush().expect_err("full").kind(), io::ErrorKind::StorageFull);
    recorder.record(&events()[2]).expect("buffered");
    assert!(recorder.flush().expect_err("over").to_string().contains("earlier write"));
    assert!(recorder.finish().is_err());
}

#[test]
fn a_recording_in_a_file() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("stop.tracer");
    std::fs::write(&path, vec![b'x'; 100_000]).expect("an old file");
    let mut recorder = create(&path, &start()).expect("replaces the old file");
    for event in events() {
        recorder.record(&event).expect("a disk with room");
    }
    drop(recorder);
    // killed before its end: the start record is there, and the rest is missing, not wrong
    let cut = std::fs::read(&path).expect("the file");
    assert!(matches!(read(&cut).1, Some(ReadError::Truncated { .. })));

    let error = create(directory.path(), &start()).expect_err("a directory");
    assert_eq!(error.to_string(), format!("cannot create the recording {}", directory.path().display()));
    assert_eq!(error.source.kind(), io::ErrorKind::IsADirectory);
}

#[test]
fn a_new_recording_is_for_its_owner_alone_and_an_old_file_keeps_its_mode() {
    use std::fs::{Permissions, metadata, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("stop.tracer");
    let mode = || metadata(&path).expect("it is there").permissions().mode() & 0o7777;
    drop(create(&path, &start()).expect("a new file"));
    assert_eq!(mode(), 0o600);
    set_permissions(&path, Permissions::from_mode(0o640)).expect("it is ours");
    drop(create(&path, &start()).expect("replaces the file"));
    assert_eq!(mode(), 0o640);
}
