"""Reads and writes state files; no other module does.

A write goes to a temporary file in the same folder, which is flushed and gets its name by `rename` (replace) or `link`
(create); then the folder is flushed. Reads accept only regular files, never follow links, never block, and are bounded.
Imports only what Python has loaded anyway, as every command needs this module.
"""

import errno
import os
import stat
from collections.abc import Iterator

from ..errors import BadFile, StateDirError, TransientReadError
from ..paths import JSON

MAX_STATE_BYTES = 8 << 20
"""The maximum size of a state file; a message may be 1 MiB, and JSON writes six bytes for a control character."""

LOG_KEPT_BYTES = 8 << 20
"""A longer log is rotated; one older part is kept."""

Signature = tuple[int, int, int]
"""Changes when the file changes: inode, size, time of the last change in nanoseconds."""

_SIXTY_BITS = (1 << 60) - 1

_NOT_THE_FILE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EINTR, errno.EAGAIN})
"""Errors that are not due to the file's contents."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read(path: str, limit: int = MAX_STATE_BYTES) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes.

    Raises:
        FileNotFoundError: the file does not exist.
        BadFile: it is not a regular file, too long, or cannot be read.
    """
    return read_with_stat(path, limit)[0]


def read_with_stat(path: str, limit: int = MAX_STATE_BYTES) -> tuple[bytes, os.stat_result]:
    """Like `read`, with the stat result of the file that was read."""
    try:
        fd = os.open(path, _READ)
    except FileNotFoundError:
        raise
    except ValueError:  # a NUL character: no file has such a name
        raise FileNotFoundError(errno.ENOENT, "no file has such a name", path) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise BadFile(f"{path} is not a regular file") from None
        raise _refused(path, error) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise BadFile(f"{path} is not a regular file")
        if status.st_size > limit:
            raise BadFile(f"{path} is longer than {limit} bytes")
        data = os.read(fd, status.st_size + 1)  # a buffer for the longest file would cost more than the reading
        if len(data) != status.st_size:  # it is being written
            while len(data) <= limit and (more := os.read(fd, limit + 1 - len(data))):
                data += more
        if len(data) > limit:
            raise BadFile(f"{path} is longer than {limit} bytes")
        return data, status
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        os.close(fd)


def _refused(path: str, error: OSError) -> BadFile:
    kind = TransientReadError if error.errno in _NOT_THE_FILE else BadFile
    return kind(f"{path} cannot be read: {error.strerror}")


def replace(path: str, data: bytes, durable: bool = True, whole: bool = False) -> None:
    """Replace the contents of a file atomically.

    Args:
        durable: the new contents survive a power cut.
        whole: after a power cut the file has the old or the new contents.

    Raises:
        OSError: writing failed; the file has its old contents.
    """
    temporary = write_aside(path, data, durable or whole)
    try:
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    if durable:
        flush_folder(os.path.dirname(path))


def create(path: str, data: bytes) -> None:
    """Create a file durably; never overwrites another one.

    Raises:
        FileExistsError: the name is in use.
        OSError: writing failed; the file does not exist.
    """
    temporary = write_aside(path, data, durable=True)
    try:
        os.link(temporary, path)
    finally:
        os.unlink(temporary)
    flush_folder(os.path.dirname(path))


def write_aside(path: str, data: bytes, durable: bool) -> str:
    """Write a temporary file beside `path` and return its name, which starts with a dot so that nothing reads it."""
    folder, name = os.path.split(path)
    temporary = f"{folder}/.{name[:100]}.{os.urandom(8).hex()}"
    fd = os.open(temporary, _CREATE, 0o600)
    try:
        write_all(fd, data)
        if durable:
            os.fsync(fd)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(fd)
    return temporary


def write_all(fd: int, data: bytes) -> None:
    """Write all bytes, in as many calls as needed."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def append_line(path: str, line: bytes) -> None:
    """Append one line to a file shared by processes; a line of up to a page stays whole."""
    fd = os.open(path, _APPEND, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", path)
        write_all(fd, line + b"\n")
    finally:
        os.close(fd)


def touch(path: str) -> None:
    """Set a file's time to now; creates the file if needed and keeps its contents."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        os.utime(fd)
    finally:
        os.close(fd)


def flush_folder(folder: str) -> None:
    """Flush a folder, so that the names in it survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def move_between(source: str, target: str, both: bool = True) -> None:
    """Move a file to another folder, durably.

    Args:
        both: also flush the folder it leaves; else a power cut may leave the file, or an older version of it, there as well.
    """
    os.rename(source, target)
    flush_folder(os.path.dirname(target))
    if both:
        flush_folder(os.path.dirname(source))


def remove(path: str) -> None:
    """Delete a file, if it exists."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def signature_of(status: os.stat_result) -> Signature:
    """Make the signature from a stat result."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def signature_number(status: os.stat_result) -> int:
    """The same as one number of 60 bits, never 0: for those who keep one for each of many files."""
    return hash((status.st_ino, status.st_size, status.st_mtime_ns)) & _SIXTY_BITS or 1


def read_signature(path: str) -> Signature | None:
    """Read the signature of a file or folder; None if it does not exist."""
    try:
        return signature_of(os.lstat(path))
    except OSError:
        return None


def list_names(folder: str) -> list[str]:
    """List the names in a folder, sorted, with hidden ones; empty if it cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def list_documents(folder: str) -> list[str]:
    """List the JSON files in a folder, sorted, without `.json`; hidden ones are temporary files and left out."""
    return [name[:-5] for name in list_names(folder) if _is_document(name)]


def scan_documents(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """List the same, unsorted, each with its stat result; files removed meanwhile are left out.

    Raises:
        OSError: the folder does not exist or cannot be read.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_document(entry.name):
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield entry.name.removesuffix(JSON), status


def list_unsorted_documents(folder: str) -> list[str]:
    """List the names of the same without looking at the files.

    Raises:
        OSError: the folder does not exist or cannot be read.
    """
    return [name.removesuffix(JSON) for name in os.listdir(folder) if _is_document(name)]


def _is_document(name: str) -> bool:
    return name[0] != "." and name.endswith(JSON)


def older_log_path(path: str) -> str:
    """The name of a log's older part: `engine.log.1`, `acts.1.jsonl`."""
    stem, _, ending = path.rpartition(".")
    return f"{path}.1" if ending == "log" else f"{stem}.1.{ending}"


def rotate_log(path: str, kept_bytes: int = LOG_KEPT_BYTES) -> None:
    """Rename a log longer than `kept_bytes`; it replaces the older part.

    Raises:
        OSError: renaming failed.
    """
    try:
        if os.stat(path).st_size > kept_bytes:
            os.rename(path, older_log_path(path))
    except FileNotFoundError:
        return


def make_private(path: str) -> int | None:
    """Remove the permissions of others from our file or folder; returns its old mode, None if nothing was changed."""
    try:
        fd = os.open(path, _READ)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        if not status.st_mode & 0o077 or status.st_uid != os.geteuid():
            return None
        os.fchmod(fd, status.st_mode & 0o700)
    except OSError:
        return None
    finally:
        os.close(fd)
    return stat.S_IMODE(status.st_mode)


def recreate_folders(folders: tuple[str, ...]) -> None:
    """Create missing folders again; parents come first.

    Raises:
        OSError: one cannot be created, for example because a file has its name.
    """
    for folder in folders:
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise NotADirectoryError(errno.ENOTDIR, "is not a folder", folder) from None


def create_folders(folders: tuple[str, ...]) -> None:
    """Create the folders of a state directory, private to the operator; the first one is its root.

    Raises:
        StateDirError: a folder cannot be created, belongs to another user, or others may write to it.
    """
    root = folders[0]
    made = False
    for folder in folders:
        try:
            os.mkdir(folder, 0o700) if folder != root else os.makedirs(folder, 0o700, exist_ok=False)
            made = True
        except FileExistsError:
            if not os.path.isdir(folder):
                raise StateDirError(f"{folder} is not a folder", "move it away, or set KUGETSU_DIR") from None
        except OSError as error:
            raise StateDirError(f"cannot create {folder}: {error.strerror}", "set KUGETSU_DIR to a folder of yours") from None
    check_root(root)
    if made:
        flush_folder(root)


def check_root(root: str) -> None:
    """Check that a state directory belongs to the operator alone.

    Raises:
        StateDirError: it belongs to another user, or others may write to it.
    """
    status = os.stat(root)
    if not stat.S_ISDIR(status.st_mode):
        raise StateDirError(f"{root} is not a folder", "move it away, or set KUGETSU_DIR")
    if status.st_uid != os.geteuid():
        raise StateDirError(f"{root} belongs to another user", "set KUGETSU_DIR to a folder of yours")
    if status.st_mode & 0o022:
        raise StateDirError(f"others may write to {root}", f"run: chmod 700 {root}")


def set_aside(path: str, folder: str, reason: str, stamp: str) -> str | None:
    """Move an unreadable file into `folder`, with a reason file beside it; returns its new name, None if it was gone.

    Overwrites nothing. The reason is written first, so that no file is without one after a crash.
    """
    target = _name_aside(path, folder, stamp)
    reason_path = _write_reason(target, path, reason, stamp)
    try:
        os.rename(path, target)
    except OSError as error:
        remove(reason_path)
        if isinstance(error, FileNotFoundError):
            return None
        raise
    return target


def copy_aside(path: str, folder: str, reason: str, stamp: str) -> str | None:
    """Like `set_aside`, but copies the file, which is about to be replaced."""
    try:
        data = read(path)
    except FileNotFoundError:
        return None
    except BadFile:
        return set_aside(path, folder, reason, stamp)  # not a regular file, or too long
    target = _name_aside(path, folder, stamp)
    _write_reason(target, path, reason, stamp)
    create(target, data)
    return target


def _name_aside(path: str, folder: str, stamp: str) -> str:
    name = os.fsdecode(os.fsencode(os.path.basename(path))[-150:])  # the end contains the task's id
    return f"{folder}/{stamp.replace(':', '')}-{os.urandom(3).hex()}-{name}"


def _write_reason(target: str, path: str, reason: str, stamp: str) -> str:
    reason_path = f"{target}.reason"
    create(reason_path, f"{stamp} {path}: {reason}\n".encode("utf-8", "replace"))
    return reason_path
