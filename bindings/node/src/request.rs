//! A submission entry, decoded and checked: from here on nothing refers to JavaScript's memory.

use crate::layout::{
    DATA_AREA, DATA_NONE, DATA_REGION, DATA_STAGED, ENTRY_WORDS, F_BLOCK, W_ARG0, W_ARG1, W_DATA, W_EXTRA,
    W_FD, W_ID, W_OP, W_PATH, W_PATH2, W_PAYLOAD, W_POSITION, op,
};
use crate::region::{Region, Regions};
use rustix::fs::OFlags;
use std::collections::HashMap;
use std::ffi::{CStr, CString};

/// What a write takes, or where a read lands.
#[derive(Debug, Default)]
pub(crate) enum Payload {
    /// Reads: nowhere in particular. Writes: nothing.
    #[default]
    None,
    /// A copy of the caller's bytes.
    Bytes(Vec<u8>),
    /// Memory that the runtime has lent to JavaScript.
    Region(Region),
}

/// An operation as JavaScript asked for it.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) code: u8,
    pub(crate) flags: i32,
    pub(crate) id: usize,
    pub(crate) fd: i32,
    pub(crate) arg0: i32,
    pub(crate) arg1: i32,
    pub(crate) position: i64,
    pub(crate) extra: i64,
    /// The first path's words as a number.
    pub(crate) extra2: i64,
    path: Option<CString>,
    path2: Option<CString>,
    pub(crate) payload: Payload,
    pub(crate) length: usize,
}

/// What entries refer to.
pub(crate) struct Sources<'a> {
    pub(crate) area: &'a [u8],
    pub(crate) staged: &'a mut HashMap<u32, Vec<u8>>,
    pub(crate) regions: &'a Regions,
}

/// An entry that refers to what is not there.
#[derive(Debug)]
pub(crate) struct Malformed {
    pub(crate) id: usize,
}

impl Request {
    pub(crate) fn has(&self, flag: i32) -> bool {
        self.flags & flag != 0
    }

    /// Whether it must be complete when the native call returns.
    pub(crate) fn blocks(&self) -> bool {
        self.has(F_BLOCK)
    }

    /// Whether it reads a whole file.
    pub(crate) fn by_reading(&self) -> bool {
        self.code == op::READ_FILE
    }

    /// Whether it is a call on a path that mostly does not wait, and that another thread may do as well.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.code, op::READ_FILE | op::STAT | op::LSTAT) && self.by_path() && !self.blocks()
    }

    /// Whether it may change what another call would see of a file or a directory.
    pub(crate) fn changes(&self) -> bool {
        let opens = (OFlags::CREATE | OFlags::TRUNC).bits() as i32;
        match self.code {
            op::OPEN => self.arg0 & opens != 0,
            op::NOP | op::READ | op::READ_FILE | op::CLOSE | op::FSYNC | op::FDATASYNC | op::RESOLVE => false,
            op::STAT | op::LSTAT | op::FSTAT | op::STATFS | op::ACCESS | op::READLINK | op::REALPATH => false,
            op::READDIR | op::OPEN_DIR | op::NEXT_DIR | op::CLOSE_DIR => false,
            _ => true,
        }
    }

    /// Whether it is a call on a path that mostly takes some microseconds, though it may wait.
    pub(crate) fn is_short(&self) -> bool {
        let code = self.code;
        let makes =
            matches!(code, op::OPEN | op::WRITE_FILE | op::MKDIR | op::MKDTEMP | op::LINK | op::SYMLINK);
        let removes = matches!(code, op::UNLINK | op::RMDIR | op::RENAME | op::TRUNCATE);
        let changes = matches!(code, op::CHMOD | op::CHOWN | op::LCHOWN | op::UTIMES | op::LUTIMES);
        self.by_path() && (makes || removes || changes || code == op::REALPATH)
    }

    /// Whether it is about a path, not a descriptor.
    pub(crate) fn by_path(&self) -> bool {
        self.fd == -1
    }

    /// The first path; empty where the operation has none.
    pub(crate) fn path(&self) -> &CStr {
        self.path.as_deref().unwrap_or_default()
    }

    /// The second path; empty where the operation has none.
    pub(crate) fn path2(&self) -> &CStr {
        self.path2.as_deref().unwrap_or_default()
    }

    /// Decodes an entry and copies what it refers to.
    pub(crate) fn decode(words: &[i32; ENTRY_WORDS], from: &mut Sources<'_>) -> Result<Self, Malformed> {
        let code = (words[W_OP] & 0xff) as u8;
        let mut request = Self {
            code,
            flags: words[W_OP] & !0xff,
            id: words[W_ID] as u32 as usize,
            fd: words[W_FD],
            arg0: words[W_ARG0],
            arg1: words[W_ARG1],
            position: int64(words, W_POSITION),
            extra: int64(words, W_EXTRA),
            extra2: int64(words, W_PATH),
            length: words[W_PAYLOAD + 1] as u32 as usize,
            ..Self::default()
        };
        let malformed = || Malformed { id: words[W_ID] as u32 as usize };
        if request.by_path() && op::has_path(code) {
            request.path = Some(path(from.area, words, W_PATH).ok_or_else(malformed)?);
        }
        if op::has_second_path(code) {
            request.path2 = Some(path(from.area, words, W_PATH2).ok_or_else(malformed)?);
        }
        request.payload = payload(words, from).ok_or_else(malformed)?;
        Ok(request)
    }
}

fn int64(words: &[i32; ENTRY_WORDS], at: usize) -> i64 {
    i64::from(words[at + 1]) << 32 | i64::from(words[at] as u32)
}

/// The bytes of the area that two words name.
fn bytes<'a>(area: &'a [u8], words: &[i32; ENTRY_WORDS], at: usize) -> Option<&'a [u8]> {
    let (start, length) = (words[at] as u32 as usize, words[at + 1] as u32 as usize);
    area.get(start..start.checked_add(length)?)
}

fn path(area: &[u8], words: &[i32; ENTRY_WORDS], at: usize) -> Option<CString> {
    CString::new(bytes(area, words, at)?).ok()
}

fn payload(words: &[i32; ENTRY_WORDS], from: &mut Sources<'_>) -> Option<Payload> {
    match words[W_DATA] {
        DATA_NONE => Some(Payload::None),
        DATA_AREA => Some(Payload::Bytes(bytes(from.area, words, W_PAYLOAD)?.to_vec())),
        DATA_STAGED => from.staged.remove(&(words[W_PAYLOAD] as u32)).map(Payload::Bytes),
        DATA_REGION => {
            let (start, length) = (words[W_PAYLOAD] as u32 as usize, words[W_PAYLOAD + 1] as u32 as usize);
            from.regions.slice(words[W_ARG1] as u32, start, length).map(Payload::Region)
        }
        _ => None,
    }
}
