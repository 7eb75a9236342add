//! Looking members of kernel structures up in the kernel's own type information (BTF).
//!
//! One pass over the bytes of `/sys/kernel/btf/vmlinux` notes where each type begins and which of them bear the few
//! names asked for; everything else is followed from there. Pure, and every length is checked: broken BTF is an error
//! or a name not found, never a panic.
//!
//! Format: <https://docs.kernel.org/bpf/btf.html>

use std::collections::HashMap;

use thiserror::Error;

const MAGIC: u16 = 0xeb9f;
const HEADER_LEN: u32 = 24;
const VERSION: u8 = 1;

/// `BTF_KIND_*`
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const PTR: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const FWD: u32 = 7;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC: u32 = 12;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const FLOAT: u32 = 16;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

/// How deeply anonymous structures are searched and qualifiers peeled: more than any kernel has, and an end for loops.
const MAX_DEPTH: u32 = 16;
/// Members looked at for one name: structures that hold each other many times over have no end otherwise.
const MAX_MEMBERS: u32 = 100_000;

/// Why the bytes are no BTF of ours.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BtfError {
    /// Not even the magic number is right.
    #[error("this is not BTF: it begins with {found:#06x} instead of {MAGIC:#06x}")]
    NotBtf {
        /// The first two bytes.
        found: u16,
    },
    /// A version we do not know.
    #[error("BTF version {found} is not supported, only {VERSION} is")]
    Version {
        /// The version.
        found: u8,
    },
    /// Something reaches beyond the end.
    #[error("the BTF ends within its {what}")]
    Short {
        /// What was being read.
        what: &'static str,
    },
    /// A kind of type that this version does not know, so that its length is unknown.
    #[error("type {id} of the BTF is of kind {kind}, which this version of tracer does not know")]
    Kind {
        /// Number of the type.
        id: u32,
        /// Its kind.
        kind: u32,
    },
}

/// Kinds of types that programs attach to by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A function.
    Function,
    /// The type of a tracepoint's probes.
    Typedef,
}

impl Named {
    const fn kind(self) -> u32 {
        match self {
            Self::Function => kind::FUNC,
            Self::Typedef => kind::TYPEDEF,
        }
    }
}

/// Arguments of a tracepoint as its probes get them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TracepointArgs {
    /// For each argument, whether it is a pointer.
    pub(super) pointers: Vec<bool>,
}

/// BTF with the types found that were asked for.
#[derive(Debug)]
pub(super) struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Where each type begins in `types`; type 0 is void and has no place.
    starts: Vec<u32>,
    /// The types that bear a wanted name, in order of appearance: names are not unique.
    named: HashMap<&'a str, Vec<u32>>,
    /// How these names begin: most of a hundred thousand others are told apart by that.
    beginnings: Beginnings<'a>,
}

/// The beginnings of some names, all as long as the shortest name, sorted.
#[derive(Debug)]
struct Beginnings<'a> {
    len: usize,
    sorted: Vec<&'a [u8]>,
}

impl<'a> Beginnings<'a> {
    /// Longer ones would tell hardly more apart.
    const LONGEST: usize = 8;

    fn of(names: &[&'a str]) -> Self {
        let len = names.iter().map(|name| name.len()).min().unwrap_or(0).min(Self::LONGEST);
        let mut sorted: Vec<_> = names.iter().filter_map(|name| name.as_bytes().get(..len)).collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self { len, sorted }
    }

    /// Whether one of the names may begin where this does.
    fn may_be_at(&self, text: &[u8]) -> bool {
        text.get(..self.len).is_some_and(|beginning| self.sorted.binary_search(&beginning).is_ok())
    }
}

/// A type's common head.
#[derive(Clone, Copy)]
struct Type<'a> {
    kind: u32,
    kind_flag: bool,
    /// `size` or `type`, depending on the kind.
    size_or_id: u32,
    /// What follows the head.
    entries: &'a [u8],
}

/// Where a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    offset: u32,
    type_id: u32,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_ne_bytes)
}

fn index(value: u32) -> usize {
    // no supported target has pointers of less than 32 bits
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The string at the beginning of some bytes, if it is terminated and UTF-8.
fn terminated(bytes: &[u8]) -> Option<&str> {
    let len = bytes.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(bytes.get(..len)?).ok()
}

impl<'a> Btf<'a> {
    /// Reads the bytes, noting the structures, enumerations, typedefs and functions whose names are `wanted`.
    ///
    /// # Errors
    /// When the bytes are not well-formed BTF of a version and of kinds that we know.
    pub(super) fn parse(bytes: &'a [u8], wanted: &[&'a str]) -> Result<Self, BtfError> {
        const SHORT: BtfError = BtfError::Short { what: "header" };
        let magic = bytes.get(..2).and_then(|magic| magic.try_into().ok()).map(u16::from_ne_bytes).ok_or(SHORT)?;
        if magic != MAGIC {
            return Err(BtfError::NotBtf { found: magic });
        }
        let version = *bytes.get(2).ok_or(SHORT)?;
        if version != VERSION {
            return Err(BtfError::Version { found: version });
        }
        let word = |at| u32_at(bytes, at).ok_or(SHORT);
        let header_len = word(4)?;
        if header_len < HEADER_LEN {
            return Err(SHORT);
        }
        let section = |offset: u32, len: u32, what| {
            let start = index(header_len).checked_add(index(offset)).ok_or(BtfError::Short { what })?;
            let end = start.checked_add(index(len)).ok_or(BtfError::Short { what })?;
            bytes.get(start..end).ok_or(BtfError::Short { what })
        };
        let types = section(word(8)?, word(12)?, "types")?;
        let strings = section(word(16)?, word(20)?, "strings")?;
        let mut btf = Self {
            types,
            strings,
            // vmlinux has about one type per 25 bytes
            starts: Vec::with_capacity(types.len() / 24 + 1),
            named: wanted.iter().map(|&name| (name, Vec::new())).collect(),
            beginnings: Beginnings::of(wanted),
        };
        btf.scan()?;
        Ok(btf)
    }

    fn scan(&mut self) -> Result<(), BtfError> {
        const SHORT: BtfError = BtfError::Short { what: "types" };
        let mut at = 0;
        self.starts.push(u32::MAX);
        while at < self.types.len() {
            let id = u32::try_from(self.starts.len()).map_err(|_too_many| SHORT)?;
            self.starts.push(u32::try_from(at).map_err(|_too_long| SHORT)?);
            let info = u32_at(self.types, at + 4).ok_or(SHORT)?;
            let (kind, entries) = (info >> 24 & 0x1f, index(info & 0xffff));
            let extra = match kind {
                kind::PTR
                | kind::FWD
                | kind::TYPEDEF
                | kind::VOLATILE
                | kind::CONST
                | kind::RESTRICT
                | kind::FUNC
                | kind::FLOAT
                | kind::TYPE_TAG => 0,
                kind::INT | kind::VAR | kind::DECL_TAG => 4,
                kind::ARRAY => 12,
                kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => entries * 12,
                kind::ENUM | kind::FUNC_PROTO => entries * 8,
                kind => return Err(BtfError::Kind { id, kind }),
            };
            if matches!(kind, kind::STRUCT | kind::ENUM | kind::TYPEDEF | kind::FUNC)
                && let Some(name) = self.strings.get(index(u32_at(self.types, at).ok_or(SHORT)?)..)
                && self.beginnings.may_be_at(name)
                && let Some(ids) = terminated(name).and_then(|name| self.named.get_mut(name))
            {
                ids.push(id);
            }
            at += 12 + extra;
        }
        if at == self.types.len() { Ok(()) } else { Err(SHORT) }
    }

    /// The string at an offset, if it is terminated and UTF-8.
    fn string(&self, offset: u32) -> Option<&'a str> {
        terminated(self.strings.get(index(offset)..)?)
    }

    fn get(&self, id: u32) -> Option<Type<'a>> {
        let start = index(*self.starts.get(index(id))?);
        let info = u32_at(self.types, start.checked_add(4)?)?;
        let size_or_id = u32_at(self.types, start.checked_add(8)?)?;
        let end = self.starts.get(index(id) + 1).map_or(self.types.len(), |&next| index(next));
        let entries = self.types.get(start.checked_add(12)?..end)?;
        Some(Type { kind: info >> 24 & 0x1f, kind_flag: info >> 31 != 0, size_or_id, entries })
    }

    /// The type without qualifiers and typedefs around it.
    fn resolve(&self, mut id: u32) -> Option<Type<'a>> {
        for _ in 0..MAX_DEPTH {
            let found = self.get(id)?;
            match found.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    id = found.size_or_id;
                }
                _ => return Some(found),
            }
        }
        None
    }

    fn named(&self, name: &str, kind: u32) -> impl Iterator<Item = Type<'a>> {
        self.ids(name, kind).filter_map(|id| self.get(id))
    }

    /// Numbers of the types of that name and kind.
    fn ids(&self, name: &str, kind: u32) -> impl Iterator<Item = u32> {
        let ids = self.named.get(name).map_or(&[][..], Vec::as_slice);
        ids.iter().copied().filter(move |&id| self.get(id).is_some_and(|found| found.kind == kind))
    }

    /// BTF in which these types have the numbers that they have here, and every other one is an empty name. Whoever wants
    /// the numbers alone, and would read all of the kernel's BTF for them, reads this within a millisecond. What is not
    /// here is left out.
    pub(super) fn numbers(&self, wanted: &[(&str, Named)]) -> Vec<u8> {
        let mut kept: Vec<(u32, u32, &str)> = wanted
            .iter()
            .filter_map(|&(name, kind)| Some((self.ids(name, kind.kind()).next()?, kind.kind(), name)))
            .collect();
        kept.sort_unstable();
        kept.dedup_by_key(|&mut (id, ..)| id);
        let (mut types, mut strings) = (Vec::<u32>::new(), vec![0]);
        let mut next = 1;
        for (id, kind, name) in kept {
            for _ in next..id {
                types.extend([0, kind::FWD << 24, 0]);
            }
            // a string of a few names is short
            types.extend([u32::try_from(strings.len()).unwrap_or(0), kind << 24, 0]);
            strings.extend(name.bytes().chain([0]));
            next = id + 1;
        }
        let words = |count: usize| u32::try_from(count * 4).unwrap_or(u32::MAX);
        let strings_len = u32::try_from(strings.len()).unwrap_or(u32::MAX);
        let header = [HEADER_LEN, 0, words(types.len()), words(types.len()), strings_len];
        let mut bytes = Vec::with_capacity(index(HEADER_LEN) + types.len() * 4 + strings.len());
        bytes.extend(MAGIC.to_ne_bytes());
        bytes.extend([VERSION, 0]);
        bytes.extend(header.iter().chain(&types).flat_map(|word| word.to_ne_bytes()));
        bytes.extend(strings);
        bytes
    }

    /// Byte offset of a member, through anonymous structures and unions and along dots: `shared_pending.signal`.
    pub(super) fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        self.named(structure, kind::STRUCT).find_map(|found| self.walk(found, path))
    }

    /// Size of a structure in bytes.
    pub(super) fn size(&self, structure: &str) -> Option<u32> {
        self.named(structure, kind::STRUCT).map(|found| found.size_or_id).next()
    }

    fn walk(&self, mut structure: Type<'a>, path: &str) -> Option<u32> {
        let mut offset = 0_u32;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let mut left = MAX_MEMBERS;
            let member = self.member(structure, name, 0, &mut left)?;
            offset = offset.checked_add(member.offset)?;
            if names.peek().is_some() {
                structure = self.resolve(member.type_id)?;
            }
        }
        Some(offset)
    }

    fn member(&self, structure: Type<'a>, name: &str, depth: u32, left: &mut u32) -> Option<Member> {
        if name.is_empty() || depth > MAX_DEPTH || !matches!(structure.kind, kind::STRUCT | kind::UNION) {
            return None;
        }
        for entry in structure.entries.chunks_exact(12) {
            *left = left.checked_sub(1)?;
            let (name_offset, type_id, place) = (u32_at(entry, 0)?, u32_at(entry, 4)?, u32_at(entry, 8)?);
            // with the kind flag, the upper 8 bits are the width of a bit field
            let bits = if structure.kind_flag { place & 0x00ff_ffff } else { place };
            let offset = bits / 8;
            match self.string(name_offset) {
                // what is not on a byte boundary is no member for us
                Some(found) if found == name => return (bits % 8 == 0).then_some(Member { offset, type_id }),
                Some("") => {
                    let inner = self.resolve(type_id).and_then(|inner| self.member(inner, name, depth + 1, left));
                    if let Some(member) = inner {
                        return Some(Member { offset: offset.checked_add(member.offset)?, ..member });
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Value of an enumerator.
    pub(super) fn enumerator(&self, enumeration: &str, name: &str) -> Option<u32> {
        self.named(enumeration, kind::ENUM).find_map(|found| {
            found
                .entries
                .chunks_exact(8)
                .find(|entry| u32_at(entry, 0).and_then(|at| self.string(at)) == Some(name))
                .and_then(|entry| u32_at(entry, 4))
        })
    }

    /// Arguments of a tracepoint, from the type of its probes: `void (*btf_trace_NAME)(void *data, …)`. `typedef` is
    /// that name, which must have been among the wanted.
    pub(super) fn tracepoint(&self, typedef: &str) -> Option<TracepointArgs> {
        let pointer = self.named(typedef, kind::TYPEDEF).find_map(|found| self.resolve(found.size_or_id))?;
        let function = (pointer.kind == kind::PTR).then(|| self.resolve(pointer.size_or_id))??;
        if function.kind != kind::FUNC_PROTO {
            return None;
        }
        let arguments = function.entries.chunks_exact(8).skip(1);
        let pointers = arguments
            .map(|entry| u32_at(entry, 4).and_then(|id| self.resolve(id)).is_some_and(|found| found.kind == kind::PTR));
        Some(TracepointArgs { pointers: pointers.collect() })
    }
}

#[cfg(test)]
#[path = "btf_tests.rs"]
mod tests;
