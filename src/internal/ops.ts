/**
 * The crossing's numbers: operation codes, flags and the layout of its two record arrays.
 *
 * `CROSSING.md` beside this file is the contract; this file is its single source of numbers, which the
 * native side mirrors. Nothing here runs.
 */

/** Version of the byte protocol; the native side refuses to open an engine for another one. */
export const PROTOCOL_VERSION = 1;

/** 32-bit words of one submission entry (64 bytes, a cache line). */
export const ENTRY_WORDS = 16;
/** 32-bit words of one completion record (32 bytes). */
export const COMPLETION_WORDS = 8;

/** Entries of the submission array: the most operations that one native call takes. */
export const SUBMISSION_ENTRIES = 256;
/** Records of the completion array: the most completions that one native call gives. */
export const COMPLETION_ENTRIES = 512;
/** Bytes of the byte area that carries paths and small payloads of one batch. */
export const AREA_BYTES = 256 * 1024;

/** Longest payload that travels in the byte area, and is copied twice; a longer one is staged in the runtime's memory by a call of its own. */
export const AREA_PAYLOAD_MAX = 16 * 1024;
/** Longest path, in bytes, that is handed to the runtime; a longer one is `ENAMETOOLONG` at once. */
export const PATH_BYTES_MAX = 64 * 1024;

/** Operations that the runtime holds at once per environment; further ones wait in JavaScript. */
export const MAX_IN_FLIGHT = 4096;

// Words of a submission entry.
/** Operation code in bits 0 to 7, flags in bits 8 to 31. */
export const W_OP = 0;
/** The operation's id; for {@link OP_CANCEL} the id of the operation to cancel. */
export const W_ID = 1;
/** File descriptor or directory number; -1 where the operation has none. */
export const W_FD = 2;
/** First 32-bit argument: open flags, access mode, uid, nanoseconds of atime and so on. */
export const W_ARG0 = 3;
/** Second 32-bit argument: file mode, gid, nanoseconds of mtime and so on. */
export const W_ARG1 = 4;
/** Where the payload is, or where a read shall land: one of the `DATA_` constants. */
export const W_DATA = 5;
/** Low word of the signed 64-bit position (file offset, seconds of atime); high word follows. */
export const W_POSITION = 6;
/** Byte offset in the area of the first path; its length follows. */
export const W_PATH = 8;
/** Byte offset in the area of the second path; its length follows. */
export const W_PATH2 = 10;
/** Offset of the payload in its place, or the token of a staged one; the length in bytes follows. */
export const W_PAYLOAD = 12;
/** Low word of the signed 64-bit extra argument (length, seconds of mtime); high word follows. */
export const W_EXTRA = 14;

// Words of a completion record.
/** The operation's id. */
export const C_ID = 0;
/** Zero or positive: success. Negative: the error's number as libuv gives it. */
export const C_RESULT = 1;
/** Data's place in bits 0 to 3, {@link C_MORE} in bit 4, the step that failed in bits 8 to 15. */
export const C_INFO = 2;
/** Byte offset in the slab, or the number of a hand-over. */
export const C_DATA = 3;
/** Bytes of data. */
export const C_LENGTH = 4;
/** Low word of a signed 64-bit result (bytes copied, size of a file too large); high word follows. */
export const C_EXTRA = 5;

/** Mask of the data's place in {@link C_INFO}. */
export const INFO_DATA_MASK = 0x0f;
/** Set when more completions of the same id will follow; the id stays taken. */
export const C_MORE = 0x10;
/** Shift of the failed step in {@link C_INFO}. */
export const INFO_STEP_SHIFT = 8;
/** Shift of what a socket's event tells of: one of the `NET_` kinds, 8 bits. */
export const INFO_KIND_SHIFT = 16;
/** Set in {@link C_ID} of records that tell of a socket; the rest is the socket's number. */
export const NET_ID = 0x40000000;

// What a socket's event tells of.
/** Bytes were received; 0: the end; negative: reading failed. Neither of the latter is followed by more. */
export const NET_READ_EVENT = 1;
/** A write has ended. */
export const NET_WRITTEN_EVENT = 2;
/** A connection was made, or not. */
export const NET_CONNECTED_EVENT = 3;
/** The writing side is shut. */
export const NET_SHUT_EVENT = 4;
/** A connection was accepted: the result is its descriptor. */
export const NET_ACCEPTED_EVENT = 5;
/** The socket is closed: its number is free. */
export const NET_CLOSED_EVENT = 6;
/** The answer to what is done before the native call returns. */
export const NET_REPLY_EVENT = 7;
/** A datagram was received; its sender stands behind it. */
export const NET_MESSAGE_EVENT = 8;

// Where data lies.
/** No data. */
export const DATA_NONE = 0;
/** Submission: in the byte area. */
export const DATA_AREA = 1;
/** Submission: staged in the runtime's memory under a token. */
export const DATA_STAGED = 2;
/** Both: in memory from `allocRegion`; `W_ARG1` holds the region's number. */
export const DATA_REGION = 3;
/** Completion: in the slab. */
export const DATA_SLAB = 4;
/** Completion: in memory that the runtime hands over. */
export const DATA_HANDED = 5;
/** Submission: nowhere any more. The buffer was detached or resized before its bytes were taken. */
export const DATA_GONE = 6;

// Flags, by operation (bits of W_OP).
/** Stat family: fields as 64-bit integers, not doubles. */
export const F_BIGINT = 1 << 8;
/** {@link OP_MKDIR}: make the parents too, and answer with the first directory made. */
export const F_RECURSIVE = 1 << 9;
/** {@link OP_READDIR}: a type byte for each entry goes before the names. */
export const F_TYPES = 1 << 10;
/** {@link OP_WRITE_FILE}: sync before closing. */
export const F_SYNC = 1 << 11;
/** Reads: the bytes are kept by JavaScript as they are, so large ones had better be handed over. */
export const F_KEEP = 1 << 12;
/** Any operation: must be complete when the native call that takes it returns; that call may block. */
export const F_BLOCK = 1 << 13;

// Operation codes: 0 to 63 are files, 64 names, above that sockets.
/** Does nothing; completes with 0. */
export const OP_NOP = 0;
/** Asks to cancel the operation `W_ID`; has no completion of its own. */
export const OP_CANCEL = 1;
/** Opens a file; the result is its descriptor. */
export const OP_OPEN = 2;
/** Closes a descriptor. */
export const OP_CLOSE = 3;
/** Reads at a position, or at the cursor when it is -1. */
export const OP_READ = 4;
/** Writes at a position, or at the cursor when it is -1. */
export const OP_WRITE = 5;
/** Reads a whole file: open, fstat, read, close; with a descriptor, fstat and read only. */
export const OP_READ_FILE = 6;
/** Writes a whole file: open, write, fsync on {@link F_SYNC}, close. */
export const OP_WRITE_FILE = 7;
/** stat(2), following links. */
export const OP_STAT = 8;
/** lstat(2). */
export const OP_LSTAT = 9;
/** fstat(2). */
export const OP_FSTAT = 10;
/** statfs(2). */
export const OP_STATFS = 11;
/** access(2). */
export const OP_ACCESS = 12;
/** Copies a file by path, as libuv's copyfile. */
export const OP_COPY_FILE = 13;
/** rename(2). */
export const OP_RENAME = 14;
/** link(2). */
export const OP_LINK = 15;
/** symlink(2). */
export const OP_SYMLINK = 16;
/** unlink(2). */
export const OP_UNLINK = 17;
/** rmdir(2). */
export const OP_RMDIR = 18;
/** mkdir(2), with {@link F_RECURSIVE} for the parents too. */
export const OP_MKDIR = 19;
/** mkdtemp(3). */
export const OP_MKDTEMP = 20;
/** readlink(2). */
export const OP_READLINK = 21;
/** realpath(3). */
export const OP_REALPATH = 22;
/** Lists a directory, sorted by bytes. */
export const OP_READDIR = 23;
/** Opens a directory; the result is its number. */
export const OP_OPEN_DIR = 24;
/** Reads the next entries of an open directory, unsorted; 0 at the end. */
export const OP_NEXT_DIR = 25;
/** Closes an open directory. */
export const OP_CLOSE_DIR = 26;
/** Truncates by path: open, ftruncate, close. */
export const OP_TRUNCATE = 27;
/** ftruncate(2). */
export const OP_FTRUNCATE = 28;
/** fsync(2). */
export const OP_FSYNC = 29;
/** fdatasync(2). */
export const OP_FDATASYNC = 30;
/** chmod(2). */
export const OP_CHMOD = 31;
/** fchmod(2). */
export const OP_FCHMOD = 32;
/** chown(2). */
export const OP_CHOWN = 33;
/** lchown(2). */
export const OP_LCHOWN = 34;
/** fchown(2). */
export const OP_FCHOWN = 35;
/** utimensat(2), following links. */
export const OP_UTIMES = 36;
/** utimensat(2) on the link itself. */
export const OP_LUTIMES = 37;
/** futimens(2). */
export const OP_FUTIMES = 38;
/** Copies bytes between descriptors within the kernel. */
export const OP_COPY = 39;

/** getaddrinfo(3): path: the name, arg0: family, arg1: hints. */
export const OP_RESOLVE = 64;
/** Connects a stream. */
export const OP_NET_CONNECT = 65;
/** Makes an accepted descriptor, or one of the program's, a stream. */
export const OP_NET_ADOPT = 66;
/** Listens. */
export const OP_NET_LISTEN = 67;
/** Begins or ends to receive. */
export const OP_NET_READ = 68;
/** Sends bytes, or a datagram. */
export const OP_NET_WRITE = 69;
/** Shuts the writing side. */
export const OP_NET_SHUTDOWN = 70;
/** Closes. */
export const OP_NET_CLOSE = 71;
/** Whether receiving keeps the event loop alive. */
export const OP_NET_REF = 72;
/** Sets an option. */
export const OP_NET_OPTION = 73;
/** Makes a datagram socket. */
export const OP_NET_BIND = 74;
/** Connects a datagram socket, or undoes that. */
export const OP_NET_ATTACH = 75;

// Kinds of addresses.
/** A path. */
export const ADDRESS_UNIX = 1;
/** IPv4. */
export const ADDRESS_IPV4 = 4;
/** IPv6. */
export const ADDRESS_IPV6 = 6;

// Flags of OP_NET_LISTEN and OP_NET_BIND.
/** IPV6_V6ONLY. */
export const BIND_ONLY_V6 = 1;
/** SO_REUSEADDR. */
export const BIND_REUSE_ADDRESS = 2;
/** SO_REUSEPORT. */
export const BIND_REUSE_PORT = 4;
/** A path that everybody may read. */
export const BIND_ALL_READ = 8;
/** A path that everybody may write. */
export const BIND_ALL_WRITE = 16;

// Options of OP_NET_OPTION.
/** TCP_NODELAY. */
export const OPTION_NO_DELAY = 1;
/** SO_KEEPALIVE; extra: seconds before the first probe. */
export const OPTION_KEEP_ALIVE = 2;
/** SO_BROADCAST. */
export const OPTION_BROADCAST = 3;
/** IP_TTL. */
export const OPTION_TTL = 4;
/** IP_MULTICAST_TTL. */
export const OPTION_MULTICAST_TTL = 5;
/** IP_MULTICAST_LOOP. */
export const OPTION_MULTICAST_LOOP = 6;
/** SO_RCVBUF; 0 asks. */
export const OPTION_RECEIVE_BUFFER = 7;
/** SO_SNDBUF; 0 asks. */
export const OPTION_SEND_BUFFER = 8;
/** IP_MULTICAST_IF. */
export const OPTION_MULTICAST_INTERFACE = 9;
/** IP_ADD_MEMBERSHIP. */
export const OPTION_JOIN = 10;
/** IP_DROP_MEMBERSHIP. */
export const OPTION_LEAVE = 11;
/** IP_ADD_SOURCE_MEMBERSHIP; path: source and group with a space between. */
export const OPTION_JOIN_SOURCE = 12;
/** IP_DROP_SOURCE_MEMBERSHIP. */
export const OPTION_LEAVE_SOURCE = 13;
