//! On a small BTF built by hand, on the running kernel's if it has one, and on garbage.

use super::*;

/// Builds BTF, type by type; the first gets number 1.
#[derive(Default)]
struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
}

impl Builder {
    fn new() -> Self {
        Self { types: Vec::new(), strings: vec![0] }
    }

    fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = u32::try_from(self.strings.len()).unwrap();
        self.strings.extend(name.bytes().chain([0]));
        at
    }

    fn words(&mut self, words: &[u32]) {
        self.types.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    }

    fn head(&mut self, name: &str, kind: u32, entries: usize, size_or_type: u32) {
        let name = self.name(name);
        self.words(&[name, kind << 24 | u32::try_from(entries).unwrap(), size_or_type]);
    }

    fn structure(&mut self, name: &str, kind: u32, size: u32, members: &[(&str, u32, u32)]) {
        self.head(name, kind, members.len(), size);
        for &(member, type_id, offset) in members {
            let member = self.name(member);
            self.words(&[member, type_id, offset * 8]);
        }
    }

    fn function(&mut self, arguments: &[u32]) {
        self.head("", kind::FUNC_PROTO, arguments.len(), 0);
        for &type_id in arguments {
            self.words(&[0, type_id]);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let (types, strings) = (u32::try_from(self.types.len()).unwrap(), u32::try_from(self.strings.len()).unwrap());
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([VERSION, 0]);
        bytes.extend([HEADER_LEN, 0, types, types, strings].iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend(&self.types);
        bytes.extend(&self.strings);
        bytes
    }
}

fn sample() -> Vec<u8> {
    let mut btf = Builder::new();
    btf.head("int", kind::INT, 0, 4); // 1
    btf.words(&[0]);
    btf.head("", kind::PTR, 0, 5); // 2: struct task *
    btf.structure("", kind::UNION, 8, &[("left", 1, 0), ("right", 1, 0), ("", 4, 0)]); // 3
    btf.structure("", kind::STRUCT, 8, &[("deep", 1, 0), ("deeper", 1, 4)]); // 4
    btf.structure("task", kind::STRUCT, 64, &[("pid", 1, 8), ("", 3, 16), ("pending", 7, 32)]); // 5
    btf.structure("set", kind::STRUCT, 16, &[("list", 1, 0), ("signal", 1, 8)]); // 6
    btf.head("set_t", kind::TYPEDEF, 0, 6); // 7
    btf.head("ids", kind::ENUM, 2, 4); // 8
    let (first, second) = (btf.name("cpu_id"), btf.name("pids_id"));
    btf.words(&[first, 3, second, 11]);
    btf.function(&[2, 1, 2, 10]); // 9
    btf.head("", kind::CONST, 0, 2); // 10
    btf.head("", kind::PTR, 0, 9); // 11
    btf.head("btf_trace_sample", kind::TYPEDEF, 0, 11); // 12
    btf.head("task", kind::FWD, 0, 0); // 13
    btf.head("loop", kind::TYPEDEF, 0, 14); // 14
    btf.structure("self", kind::STRUCT, 8, &[("", 15, 0)]); // 15
    btf.bytes()
}

const WANTED: [&str; 8] = ["task", "set", "ids", "btf_trace_sample", "loop", "self", "nothing", "int"];

#[test]
fn finds_members_where_they_are() {
    let bytes = sample();
    let btf = Btf::parse(&bytes, &WANTED).unwrap();
    for (path, offset) in [
        ("pid", Some(8)),
        ("right", Some(16)),
        ("deep", Some(16)),
        ("deeper", Some(20)),
        ("pending", Some(32)),
        ("pending.signal", Some(40)),
        ("pending.nothing", None),
        ("pid.signal", None),
        ("nothing", None),
        ("", None),
    ] {
        assert_eq!(btf.offset("task", path), offset, "{path}");
    }
    assert_eq!(btf.size("task"), Some(64));
    assert_eq!((btf.size("nothing"), btf.size("int"), btf.size("unasked")), (None, None, None));
    assert_eq!((btf.enumerator("ids", "pids_id"), btf.enumerator("ids", "io_id")), (Some(11), None));
}

#[test]
fn knows_a_tracepoints_arguments() {
    let bytes = sample();
    let btf = Btf::parse(&bytes, &WANTED).unwrap();
    assert_eq!(btf.tracepoint("btf_trace_sample").unwrap().pointers, [false, true, true]);
    assert_eq!(btf.tracepoint("loop"), None, "a typedef of itself");
    assert_eq!(btf.tracepoint("nothing"), None);
    assert_eq!(btf.offset("self", "anything"), None, "a structure in itself");
}

#[test]
fn numbers_stay_what_they_are() {
    let mut btf = Builder::new();
    btf.head("int", kind::INT, 0, 4); // 1
    btf.words(&[0]);
    btf.structure("walk", kind::STRUCT, 4, &[("pid", 1, 0)]); // 2
    btf.function(&[1]); // 3
    btf.head("walk", kind::FUNC, 0, 3); // 4
    btf.head("last", kind::FUNC, 0, 3); // 5
    btf.head("trace", kind::TYPEDEF, 0, 1); // 6
    let bytes = btf.bytes();
    let btf = Btf::parse(&bytes, &["walk", "pid", "trace"]).unwrap();
    let wanted = [("trace", Named::Typedef), ("walk", Named::Function), ("pid", Named::Function)];
    let numbers = btf.numbers(&wanted);
    let read = Btf::parse(&numbers, &["walk", "last", "trace", "pid"]).unwrap();
    let number = |name, kind| read.ids(name, kind).next();
    assert_eq!((number("walk", kind::FUNC), number("trace", kind::TYPEDEF)), (Some(4), Some(6)));
    assert_eq!((number("last", kind::FUNC), number("pid", kind::FUNC), read.size("walk")), (None, None, None));
    assert!(aya::Btf::parse(&numbers, aya::Endianness::default()).is_ok());
    assert!(aya::Btf::parse(&btf.numbers(&[]), aya::Endianness::default()).is_ok());
}

#[test]
fn refuses_what_is_no_btf() {
    let good = sample();
    assert_eq!(Btf::parse(&[], &[]).unwrap_err(), BtfError::Short { what: "header" });
    assert_eq!(Btf::parse(b"\x7fELF", &[]).unwrap_err(), BtfError::NotBtf { found: u16::from_ne_bytes(*b"\x7fE") });
    let mut version = good.clone();
    version[2] = 9;
    assert_eq!(Btf::parse(&version, &[]).unwrap_err(), BtfError::Version { found: 9 });
    let mut kind = good.clone();
    // the kind of type 1
    kind[24 + 7] = 31;
    assert_eq!(Btf::parse(&kind, &[]).unwrap_err(), BtfError::Kind { id: 1, kind: 31 });
}

#[test]
fn survives_garbage() {
    let good = sample();
    for len in 0..good.len() {
        assert!(Btf::parse(&good[..len], &WANTED).is_err(), "{len} bytes of {}", good.len());
    }
    // every byte, changed in a few ways: anything may come out but a panic
    for at in 0..good.len() {
        for change in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= change;
            let Ok(btf) = Btf::parse(&bad, &WANTED) else { continue };
            for name in WANTED {
                for path in ["pid", "deeper", "pending.signal", "x"] {
                    let _: Option<u32> = btf.offset(name, path);
                }
                let _: Option<TracepointArgs> = btf.tracepoint(name);
                let _: Option<u32> = btf.enumerator(name, "pids_id");
                let _: Option<u32> = btf.size(name);
            }
        }
    }
}

#[test]
fn bit_fields_are_no_members_of_ours() {
    let mut btf = Builder::new();
    btf.head("int", kind::INT, 0, 4);
    btf.words(&[0]);
    let name = btf.name("flags");
    let (whole, third) = (btf.name("whole"), btf.name("third"));
    // kind flag set: 8 bits of width above 24 of offset
    btf.words(&[name, 1 << 31 | kind::STRUCT << 24 | 2, 8, whole, 1, 32, third, 1, 1 << 24 | 3]);
    let bytes = btf.bytes();
    let btf = Btf::parse(&bytes, &["flags"]).unwrap();
    assert_eq!((btf.offset("flags", "whole"), btf.offset("flags", "third")), (Some(4), None));
}
