//! Directories: listing, making, temporary names, resolving.

use crate::outcome::{Outcome, errno_of};
use crate::{calls, stat};
use rustix::fs::{Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString, OsStr};
use std::hash::{BuildHasher, RandomState};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// How often another name is tried (mkdtemp(3) tries as often).
const TEMPORARY_TRIES: u32 = 62 * 62 * 62;

pub(crate) fn open(path: &CStr) -> Result<Dir, Errno> {
    let fd = calls::open(path, (OFlags::DIRECTORY | OFlags::RDONLY).bits() as i32, 0)?;
    Dir::new(fd)
}

/// libuv's `UV_DIRENT_…`.
fn kind(file_type: FileType) -> u8 {
    match file_type {
        FileType::RegularFile => 1,
        FileType::Directory => 2,
        FileType::Symlink => 3,
        FileType::Fifo => 4,
        FileType::Socket => 5,
        FileType::CharacterDevice => 6,
        FileType::BlockDevice => 7,
        FileType::Unknown => 0,
    }
}

/// The next entry but `.` and `..`.
fn next(dir: &mut Dir) -> Result<Option<(CString, u8)>, Errno> {
    while let Some(entry) = dir.read() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            return Ok(Some((name.to_owned(), kind(entry.file_type()))));
        }
    }
    Ok(None)
}

/// Type bytes, if wanted, then names that end with a zero byte.
fn listing(entries: &[(CString, u8)], types: bool) -> Outcome {
    let mut bytes = Vec::new();
    if types {
        bytes.extend(entries.iter().map(|(_, kind)| kind));
    }
    for (name, _) in entries {
        bytes.extend_from_slice(name.as_bytes_with_nul());
    }
    Outcome { result: Outcome::number(entries.len()).result, ..Outcome::text(bytes) }
}

/// All entries, sorted by bytes.
pub(crate) fn list(path: &CStr, types: bool) -> Result<Outcome, Errno> {
    let mut dir = open(path)?;
    let mut entries = Vec::new();
    while let Some(entry) = next(&mut dir)? {
        entries.push(entry);
    }
    entries.sort_unstable();
    Ok(listing(&entries, types))
}

/// At most `most` further entries, as the system gives them.
pub(crate) fn read_some(dir: &mut Dir, most: usize) -> Result<Outcome, Errno> {
    let mut entries = Vec::new();
    while entries.len() < most
        && let Some(entry) = next(dir)?
    {
        entries.push(entry);
    }
    Ok(listing(&entries, true))
}

/// Makes a directory and its parents; gives the first one made, if any, as a prefix of `path`.
pub(crate) fn make_all(path: &CStr, mode: Mode) -> Result<Outcome, Errno> {
    let mut wanted = vec![path.to_bytes()];
    let mut first: Option<Vec<u8>> = None;
    let mut has_parent = false;
    while let Some(&last) = wanted.last() {
        let name = CString::new(last).map_err(|_| Errno::INVAL)?;
        match rustix::fs::mkdir(&name, mode) {
            Ok(()) => {
                first.get_or_insert_with(|| last.to_vec());
                wanted.pop();
                has_parent = true;
            }
            // Its parent is there: this is no place for directories (/proc), or somebody has removed the parent.
            Err(Errno::NOENT) if has_parent => return Err(Errno::NOENT),
            Err(Errno::NOENT) => match parent(last) {
                Some(parent) => wanted.push(parent),
                None => return Err(Errno::NOENT),
            },
            Err(errno @ (Errno::ACCESS | Errno::NOSPC | Errno::NOTDIR | Errno::PERM)) => return Err(errno),
            Err(errno) => {
                // On a read-only file system Node's own says only that it is not there; ours, why it could not be made.
                let why = |missing| if errno == Errno::ROFS { errno } else { missing };
                if !stat::stat_path(&name, true).map_err(why)?.is_dir() {
                    let inner = errno == Errno::EXIST && wanted.len() > 1;
                    return Err(if inner { Errno::NOTDIR } else { errno });
                }
                wanted.pop();
                has_parent = true;
            }
        }
    }
    Ok(first.map_or_else(Outcome::default, Outcome::text))
}

/// The part of a path before its last slash; none if there is nothing left to make. Of `a//b/` that is `a//b`, then `a/`: what
/// is made first is spelled as Node spells it.
fn parent(path: &[u8]) -> Option<&[u8]> {
    let slash = path.iter().rposition(|&byte| byte == b'/')?;
    (slash > 0).then(|| &path[..slash])
}

/// mkdtemp(3).
pub(crate) fn make_temporary(template: &CStr) -> Result<Outcome, Errno> {
    const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut path = template.to_bytes().to_vec();
    let start = path.len().checked_sub(6).filter(|&at| &path[at..] == b"XXXXXX").ok_or(Errno::INVAL)?;
    // Its keys come from the system's random source: a name that nobody foresees.
    let random = RandomState::new();
    for attempt in 0..TEMPORARY_TRIES {
        let mut number = random.hash_one(attempt);
        for letter in &mut path[start..] {
            *letter = LETTERS[(number % 62) as usize];
            number /= 62;
        }
        let name = CString::new(path.clone()).map_err(|_| Errno::INVAL)?;
        match rustix::fs::mkdir(&name, Mode::RWXU) {
            Err(Errno::EXIST) => (),
            Err(errno) => return Err(errno),
            Ok(()) => return Ok(Outcome::text(path)),
        }
    }
    Err(Errno::EXIST)
}

/// realpath(3).
pub(crate) fn real_path(path: &CStr) -> Result<Outcome, Errno> {
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    let real = path.canonicalize().map_err(|error| errno_of(&error))?;
    Ok(Outcome::text(real.into_os_string().into_vec()))
}
