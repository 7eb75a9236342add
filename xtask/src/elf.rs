//! A look into a finished binary: is it static? Trusting the build flags has shipped dynamic "static" binaries before.

use anyhow::{Context, Result, bail};
use std::path::Path;

/// The program header that names a dynamic loader. Without one the kernel starts the binary by itself.
const PT_INTERP: u32 = 3;

/// An error unless the file is a 64-bit ELF executable that needs no dynamic loader.
pub(crate) fn assert_static(path: &Path) -> Result<()> {
    let name = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    match needs_loader(&bytes) {
        Some(false) => Ok(()),
        Some(true) => bail!("{name} is dynamically linked (it has a PT_INTERP header): build it for a musl target"),
        None => bail!("{name} is not a little-endian 64-bit ELF file"),
    }
}

/// Whether an ELF image asks for a dynamic loader; `None` when it is not one that we can read.
/// Layout: <https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html>
fn needs_loader(bytes: &[u8]) -> Option<bool> {
    // Magic, 64-bit, little-endian.
    if bytes.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let offset = usize::try_from(u64::from_le_bytes(bytes.get(32..40)?.try_into().ok()?)).ok()?;
    let size = usize::from(u16::from_le_bytes(bytes.get(54..56)?.try_into().ok()?));
    let count = usize::from(u16::from_le_bytes(bytes.get(56..58)?.try_into().ok()?));
    for index in 0..count {
        let start = offset.checked_add(index.checked_mul(size)?)?;
        let kind = u32::from_le_bytes(bytes.get(start..start.checked_add(4)?)?.try_into().ok()?);
        if kind == PT_INTERP {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::needs_loader;

    /// A header followed by one program header for each kind.
    fn image(kinds: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = u8::try_from(kinds.len()).unwrap();
        for kind in kinds {
            bytes.extend(kind.to_le_bytes());
            bytes.extend([0; 52]);
        }
        bytes
    }

    #[test]
    fn an_interpreter_header_means_dynamic() {
        assert_eq!(needs_loader(&image(&[1, 1, 2])), Some(false));
        assert_eq!(needs_loader(&image(&[1, 3, 2])), Some(true));
    }

    #[test]
    fn a_short_or_foreign_file_is_refused() {
        assert_eq!(needs_loader(b"#!/bin/sh\n"), None);
        assert_eq!(needs_loader(&image(&[1, 3])[..80]), None);
        assert_eq!(needs_loader(b""), None);
    }

    #[test]
    fn this_test_itself_is_dynamic() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(needs_loader(&own), Some(cfg!(target_env = "gnu")));
    }
}
