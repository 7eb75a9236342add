//! What the executable of a Go program tells about `os/signal`.
//!
//! Go's runtime installs a handler for nearly every signal, whether the program asks for it or not; without
//! `signal.Notify` that handler sets the default action and raises the signal again
//! (<https://github.com/golang/go/blob/go1.23.0/src/runtime/signal_unix.go#L723>). The table of function names, which a
//! stripped executable has too, tells whether `signal.Notify` can be called at all. An executable that still has its
//! symbols tells where the runtime keeps the set of signals that were asked for, and that is read from the process.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};
use object::read::{Object as _, ObjectSection as _, ObjectSymbol as _, ReadCache, ReadRef};
use object::{LittleEndian, elf};

use crate::signal::{Signal, SignalSet};

use super::subject::Go;

/// Tables larger than this are of no program that we know, bytes.
const MAX_TABLE: u64 = 512 << 20;
/// What the parser may read at once, bytes: it reads whole tables of symbols, and a sparse file claims any size.
const MAX_READ: u64 = 64 << 20;
/// How much is looked through at a time, bytes.
const CHUNK: usize = 1 << 20;

/// The function, and others that begin like it (`NotifyContext`).
const NOTIFY: &[u8] = b"os/signal.Notify";
/// A function that is in every program which imports `os`: it shows that names are not obfuscated.
const WITNESS: &[u8] = b"os.NewFile";
/// Where linkers put the table of function names; the second in position-independent executables.
const NAMES: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];

/// `runtime.sig` and its size, which tells that it is laid out as we know it (since Go 1.10).
/// <https://github.com/golang/go/blob/go1.23.0/src/runtime/sigqueue.go#L53>
const TABLE: (&str, u64) = ("runtime.sig", 72);
/// Where `wanted` is in it: after a note (8 bytes) and a mask (12).
const WANTED_AT: u64 = 20;

/// What a file tells, whichever process runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GoFile {
    names: Names,
    /// Where `runtime.sig` is, and what has to be added to it.
    table: Option<Table>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    WithNotify,
    WithoutNotify,
    Unreadable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Table {
    address: u64,
    /// The lowest address in the file, if it is loaded anywhere.
    moves_from: Option<u64>,
}

/// A file of which no more than [`MAX_READ`] is read at once.
#[derive(Clone, Copy)]
struct Bounded<'a>(&'a ReadCache<&'a File>);

impl<'a> ReadRef<'a> for Bounded<'a> {
    fn len(self) -> Result<u64, ()> {
        self.0.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        if size > MAX_READ { Err(()) } else { self.0.read_bytes_at(offset, size) }
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        self.0.read_bytes_at_until(range, delimiter)
    }
}

/// What the file tells; `None` when it was not made by Go, or is no ELF file that we can read.
pub(super) fn inspect(file: &File) -> Option<GoFile> {
    let cache = ReadCache::new(file);
    let parsed = ElfFile64::<LittleEndian, _>::parse(Bounded(&cache)).ok()?;
    let names = NAMES.iter().find_map(|name| parsed.section_by_name(name));
    if names.is_none() && parsed.section_by_name(".go.buildinfo").is_none() {
        return None;
    }
    let range = names.and_then(|section| section.file_range()).filter(|(_, size)| *size <= MAX_TABLE);
    let names = range.and_then(|(from, size)| search(file, from, size).ok()).unwrap_or(Names::Unreadable);
    let table = parsed.symbols().find(|symbol| symbol.name() == Ok(TABLE.0) && symbol.size() == TABLE.1);
    let address = table.map(|symbol| symbol.address());
    let lowest = || {
        let headers = parsed.elf_program_headers().iter();
        let loads = headers.filter(|header| header.p_type(LittleEndian) == elf::PT_LOAD);
        loads.map(|header| header.p_vaddr(LittleEndian) - header.p_offset(LittleEndian)).min()
    };
    let moves = parsed.elf_header().e_type(LittleEndian) == elf::ET_DYN;
    let table = address.map(|address| Table { address, moves_from: moves.then(lowest).flatten() });
    Some(GoFile { names, table })
}

/// Looks for names in a part of the file.
fn search(file: &File, from: u64, size: u64) -> io::Result<Names> {
    let (mut notify, mut witness) = (false, false);
    let mut chunk = vec![0; CHUNK];
    let (mut at, end) = (from, from.saturating_add(size));
    while at < end && !notify {
        let wanted = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
        let read = file.read_at(&mut chunk[..wanted], at)?;
        notify |= memchr::memmem::find(&chunk[..read], NOTIFY).is_some();
        witness |= memchr::memmem::find(&chunk[..read], WITNESS).is_some();
        if read <= NOTIFY.len() {
            break;
        }
        // a name may lie across the border
        at += u64::try_from(read - NOTIFY.len()).unwrap_or(u64::MAX);
        if at + u64::try_from(NOTIFY.len()).unwrap_or_default() >= end {
            break;
        }
    }
    Ok(match (notify, witness) {
        (true, _) => Names::WithNotify,
        (false, true) => Names::WithoutNotify,
        (false, false) => Names::Unreadable,
    })
}

impl GoFile {
    /// What is known of the process that runs it.
    pub(super) fn of(self, pid: u32) -> Go {
        match self.names {
            Names::WithoutNotify => Go::WithoutNotify,
            Names::WithNotify => self.table.and_then(|table| wanted(pid, table)).map_or(Go::WithNotify, Go::Wants),
            Names::Unreadable => Go::Unreadable,
        }
    }
}

/// The signals that the program asked for, from the runtime's own table. Reading it stops nobody.
fn wanted(pid: u32, table: Table) -> Option<SignalSet> {
    let bias = match table.moves_from {
        Some(lowest) => loaded_at(pid)?.checked_sub(lowest)?,
        None => 0,
    };
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut words = [0; 12];
    memory.read_exact_at(&mut words, table.address.checked_add(bias)?.checked_add(WANTED_AT)?).ok()?;
    Some(set(words))
}

/// Bit `n` is signal `n` there, in three words of 32 bits.
fn set(words: [u8; 12]) -> SignalSet {
    let bit = |signal: &Signal| {
        let number = usize::from(signal.number());
        words[number / 8] & (1 << (number % 8)) != 0
    };
    (1..=64).filter_map(Signal::new).filter(bit).collect()
}

/// Where the beginning of a process's executable is mapped.
fn loaded_at(pid: u32) -> Option<u64> {
    let inode = fs::metadata(format!("/proc/{pid}/exe")).ok()?.ino().to_string();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (range, _permissions, offset) = (fields.next()?, fields.next()?, fields.next()?);
        let (_device, of) = (fields.next()?, fields.next()?);
        let start = range.split_once('-')?.0;
        (of == inode && offset.bytes().all(|digit| digit == b'0')).then(|| u64::from_str_radix(start, 16).ok())?
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn bits_are_numbers() {
        let mut words = [0; 12];
        words[1] = 1 << 7;
        words[8] = 1;
        assert_eq!(set(words), SignalSet::from_iter([Signal::TERM, Signal::new(64).unwrap()]));
    }

    #[test]
    fn the_table_is_read_where_it_is() {
        let mut table = Box::new([0_u8; 72]);
        table[usize::try_from(WANTED_AT).unwrap() + 1] = 1 << 7;
        let address = std::ptr::from_ref(table.as_ref()).addr() as u64;
        let pid = std::process::id();
        assert_eq!(wanted(pid, Table { address, moves_from: None }), Some(SignalSet::from_iter([Signal::TERM])));
        let base = loaded_at(pid).expect("we are mapped");
        let moved = Table { address: address.wrapping_sub(base), moves_from: Some(0) };
        // what lies below the executable cannot be said relative to it
        let expected = (address >= base).then(|| SignalSet::from_iter([Signal::TERM]));
        assert_eq!(wanted(pid, moved), expected);
        assert_eq!(wanted(pid, Table { address: 8, moves_from: None }), None);
        drop(table);
    }

    fn file(parts: &[(usize, &[u8])], size: usize) -> File {
        let mut bytes = vec![0; size];
        for (at, part) in parts {
            bytes[*at..at + part.len()].copy_from_slice(part);
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file
    }

    #[test]
    fn names_are_found_wherever_they_lie() {
        let size = 3 * CHUNK;
        let whole = |parts: &[(usize, &[u8])]| search(&file(parts, size), 0, size as u64).unwrap();
        assert_eq!(whole(&[(10, WITNESS)]), Names::WithoutNotify);
        assert_eq!(whole(&[]), Names::Unreadable);
        for at in [0, 5, CHUNK - 16, CHUNK - 8, CHUNK - 1, CHUNK, 2 * CHUNK - 30, size - NOTIFY.len()] {
            assert_eq!(whole(&[(at, NOTIFY)]), Names::WithNotify, "{at}");
        }
        let beyond = file(&[(size - NOTIFY.len(), NOTIFY), (10, WITNESS)], size);
        assert_eq!(search(&beyond, 0, 4096).unwrap(), Names::WithoutNotify);
        assert_eq!(
            search(&beyond, 0, 100 * CHUNK as u64).unwrap(),
            Names::WithNotify,
            "the file is shorter than it says"
        );
    }

    #[test]
    fn what_is_not_go_is_nothing() {
        assert_eq!(inspect(&File::open("/proc/self/exe").unwrap()), None);
        assert_eq!(inspect(&file(&[(0, b"\x7fELF\x02\x01\x01")], 4096)), None);
        assert_eq!(inspect(&file(&[], 0)), None);
    }

    #[test]
    fn a_table_of_any_size_is_not_read() {
        let section = |kind: u32, offset: u64, size: u64, link: u32| {
            let mut header = [0; 64];
            header[4..8].copy_from_slice(&kind.to_le_bytes());
            header[24..32].copy_from_slice(&offset.to_le_bytes());
            header[32..40].copy_from_slice(&size.to_le_bytes());
            header[40..44].copy_from_slice(&link.to_le_bytes());
            header[56..64].copy_from_slice(&24_u64.to_le_bytes());
            header
        };
        let size = 1_u64 << 36;
        let sections =
            [section(0, 0, 0, 0), section(elf::SHT_STRTAB, 0, 16, 0), section(elf::SHT_SYMTAB, 4096, size, 1)];
        let mut header = [0; 64];
        header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        for (at, value) in [(16, 2), (18, 62), (40, 64), (52, 64), (58, 64), (60, 3), (62, 1)] {
            header[at] = value;
        }
        header[20] = 1;
        let sparse = file(&[(0, &header), (64, sections.as_flattened())], 4096);
        sparse.set_len(4096 + size).expect("a sparse file");
        assert_eq!(inspect(&sparse), None);
    }
}
