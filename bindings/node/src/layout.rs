//! The crossing's numbers, mirrored from `src/internal/ops.ts`; `src/internal/CROSSING.md` is the contract.

pub(crate) const PROTOCOL_VERSION: u32 = 1;
pub(crate) const ENTRY_WORDS: usize = 16;
pub(crate) const COMPLETION_WORDS: usize = 8;
pub(crate) const SUBMISSION_ENTRIES: usize = 256;
pub(crate) const COMPLETION_ENTRIES: usize = 512;
pub(crate) const AREA_BYTES: usize = 256 * 1024;
pub(crate) const MAX_IN_FLIGHT: usize = 4096;

pub(crate) const W_OP: usize = 0;
pub(crate) const W_ID: usize = 1;
pub(crate) const W_FD: usize = 2;
pub(crate) const W_ARG0: usize = 3;
pub(crate) const W_ARG1: usize = 4;
pub(crate) const W_DATA: usize = 5;
pub(crate) const W_POSITION: usize = 6;
pub(crate) const W_PATH: usize = 8;
pub(crate) const W_PATH2: usize = 10;
pub(crate) const W_PAYLOAD: usize = 12;
pub(crate) const W_EXTRA: usize = 14;

pub(crate) const INFO_STEP_SHIFT: u32 = 8;
pub(crate) const INFO_KIND_SHIFT: u32 = 16;
/// Set in the id of records that tell of a socket.
pub(crate) const NET_ID: usize = 1 << 30;

pub(crate) const DATA_NONE: i32 = 0;
pub(crate) const DATA_AREA: i32 = 1;
pub(crate) const DATA_STAGED: i32 = 2;
pub(crate) const DATA_REGION: i32 = 3;
pub(crate) const DATA_SLAB: i32 = 4;
pub(crate) const DATA_HANDED: i32 = 5;
pub(crate) const DATA_GONE: i32 = 6;

pub(crate) const F_BIGINT: i32 = 1 << 8;
pub(crate) const F_RECURSIVE: i32 = 1 << 9;
pub(crate) const F_TYPES: i32 = 1 << 10;
pub(crate) const F_SYNC: i32 = 1 << 11;
pub(crate) const F_BLOCK: i32 = 1 << 13;

/// Operation codes.
pub(crate) mod op {
    pub(crate) const NOP: u8 = 0;
    pub(crate) const CANCEL: u8 = 1;
    pub(crate) const OPEN: u8 = 2;
    pub(crate) const CLOSE: u8 = 3;
    pub(crate) const READ: u8 = 4;
    pub(crate) const WRITE: u8 = 5;
    pub(crate) const READ_FILE: u8 = 6;
    pub(crate) const WRITE_FILE: u8 = 7;
    pub(crate) const STAT: u8 = 8;
    pub(crate) const LSTAT: u8 = 9;
    pub(crate) const FSTAT: u8 = 10;
    pub(crate) const STATFS: u8 = 11;
    pub(crate) const ACCESS: u8 = 12;
    pub(crate) const COPY_FILE: u8 = 13;
    pub(crate) const RENAME: u8 = 14;
    pub(crate) const LINK: u8 = 15;
    pub(crate) const SYMLINK: u8 = 16;
    pub(crate) const UNLINK: u8 = 17;
    pub(crate) const RMDIR: u8 = 18;
    pub(crate) const MKDIR: u8 = 19;
    pub(crate) const MKDTEMP: u8 = 20;
    pub(crate) const READLINK: u8 = 21;
    pub(crate) const REALPATH: u8 = 22;
    pub(crate) const READDIR: u8 = 23;
    pub(crate) const OPEN_DIR: u8 = 24;
    pub(crate) const NEXT_DIR: u8 = 25;
    pub(crate) const CLOSE_DIR: u8 = 26;
    pub(crate) const TRUNCATE: u8 = 27;
    pub(crate) const FTRUNCATE: u8 = 28;
    pub(crate) const FSYNC: u8 = 29;
    pub(crate) const FDATASYNC: u8 = 30;
    pub(crate) const CHMOD: u8 = 31;
    pub(crate) const FCHMOD: u8 = 32;
    pub(crate) const CHOWN: u8 = 33;
    pub(crate) const LCHOWN: u8 = 34;
    pub(crate) const FCHOWN: u8 = 35;
    pub(crate) const UTIMES: u8 = 36;
    pub(crate) const LUTIMES: u8 = 37;
    pub(crate) const FUTIMES: u8 = 38;
    pub(crate) const COPY: u8 = 39;
    pub(crate) const RESOLVE: u8 = 64;
    pub(crate) const NET_CONNECT: u8 = 65;
    pub(crate) const NET_ADOPT: u8 = 66;
    pub(crate) const NET_LISTEN: u8 = 67;
    pub(crate) const NET_READ: u8 = 68;
    pub(crate) const NET_WRITE: u8 = 69;
    pub(crate) const NET_SHUTDOWN: u8 = 70;
    pub(crate) const NET_CLOSE: u8 = 71;
    pub(crate) const NET_REF: u8 = 72;
    pub(crate) const NET_OPTION: u8 = 73;
    pub(crate) const NET_BIND: u8 = 74;
    pub(crate) const NET_ATTACH: u8 = 75;

    /// Whether the first path's words hold a path.
    pub(crate) fn has_path(code: u8) -> bool {
        !matches!(code, NOP | CANCEL | COPY)
    }

    /// Whether the second path's words hold a path.
    pub(crate) fn has_second_path(code: u8) -> bool {
        matches!(code, COPY_FILE | RENAME | LINK | SYMLINK)
    }
}
