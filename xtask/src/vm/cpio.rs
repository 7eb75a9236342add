//! The "newc" cpio format, as the kernel unpacks it.
//! <https://www.kernel.org/doc/html/latest/driver-api/early-userspace/buffer-format.html>

/// An archive in the making.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

/// File types, as in `st_mode`.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

impl Archive {
    /// Adds a directory.
    pub(super) fn directory(&mut self, name: &str) {
        self.entry(name, DIRECTORY | 0o755, (0, 0), &[]);
    }

    /// Adds a file that may be run.
    pub(super) fn file(&mut self, name: &str, content: &[u8]) {
        self.entry(name, REGULAR | 0o755, (0, 0), content);
    }

    /// Adds a character device.
    pub(super) fn device(&mut self, name: &str, major: u32, minor: u32) {
        self.entry(name, CHARACTER_DEVICE | 0o600, (major, minor), &[]);
    }

    /// The finished archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, (major, minor): (u32, u32), content: &[u8]) {
        self.entries += 1;
        // The format has 32 bits for sizes; an initramfs that does not fit into 4 GB does not boot either.
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len()).unwrap_or(u32::MAX).saturating_add(1);
        // inode, mode, uid, gid, links, mtime, size, device, device, rdev, rdev, name size, checksum (unused).
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").into_bytes());
        }
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    /// Header with name, and content, each end at a multiple of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn headers_are_ascii_and_everything_is_aligned() {
        let mut archive = Archive::default();
        archive.directory("dev");
        archive.device("dev/console", 5, 1);
        archive.file("init", b"hello");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let starts: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"070701")).collect();
        assert_eq!(starts.len(), 4);
        assert!(starts.iter().all(|at| at % 4 == 0));
        let init = &bytes[starts[2]..starts[3]];
        assert_eq!(&init[14..22], b"000081ed", "a regular file with mode 0755");
        assert_eq!(&init[54..62], b"00000005", "five bytes long");
        assert_eq!(&init[110..115], b"init\0");
        assert_eq!(&init[116..121], b"hello");
        let console = &bytes[starts[1]..starts[2]];
        assert_eq!((&console[78..86], &console[86..94]), (&b"00000005"[..], &b"00000001"[..]));
    }
}
