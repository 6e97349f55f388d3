"""The one place that reads and writes state files.

Writes go to a temporary file in the same folder, are flushed, and take their name by `rename` (replace) or `link` (create);
then the folder is flushed. Reads refuse what is no regular file, never follow links, never block, and are bounded.
Imports only what Python has loaded anyway, as every command comes through here.
"""

import errno
import os
import stat
from collections.abc import Iterator

from ..errors import BadFile, StateDirError, TransientReadError
from ..paths import JSON

MAX_STATE_BYTES = 8 << 20
"""A state file is at most this long; a message may be 1 MiB, and JSON makes six bytes of a control character."""

LOG_KEPT_BYTES = 8 << 20
"""A log that is longer is rotated; one older part is kept."""

Signature = tuple[int, int, int]
"""Changes when a file does: inode, size, time of the last change in nanoseconds."""

_NOT_THE_FILE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EINTR, errno.EAGAIN})
"""Refusals that say nothing about the contents."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read(path: str, limit: int = MAX_STATE_BYTES) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes.

    Raises:
        FileNotFoundError: there is none.
        BadFile: it is no regular file, too long, or cannot be read.
    """
    return read_with_stat(path, limit)[0]


def read_with_stat(path: str, limit: int = MAX_STATE_BYTES) -> tuple[bytes, os.stat_result]:
    """Like `read`, with the state of the very file that was read."""
    try:
        fd = os.open(path, _READ)
    except FileNotFoundError:
        raise
    except ValueError:  # a NUL character: no file has such a name
        raise FileNotFoundError(errno.ENOENT, "no file has such a name", path) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise BadFile(f"{path} is no regular file") from None
        raise _refused(path, error) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise BadFile(f"{path} is no regular file")
        if status.st_size > limit:
            raise BadFile(f"{path} is longer than {limit} bytes")
        data = os.read(fd, limit + 1)
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
    """Give `path` new contents: all of them or none.

    Args:
        durable: the new contents outlive a power cut.
        whole: at least, the old or the new ones do.

    Raises:
        OSError: the disk refused; the old contents stand.
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
    """Make a new durable file; never writes over another one.

    Raises:
        FileExistsError: the name is taken.
        OSError: the disk refused; nothing was made.
    """
    temporary = write_aside(path, data, durable=True)
    try:
        os.link(temporary, path)
    finally:
        os.unlink(temporary)
    flush_folder(os.path.dirname(path))


def write_aside(path: str, data: bytes, durable: bool) -> str:
    """Write a temporary file beside `path` and return its name, which starts with a dot and is not read by anyone."""
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
    """Write every byte, however many calls it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def append_line(path: str, line: bytes) -> None:
    """Add one line to a file that several processes append to; a line of up to a page stays whole."""
    fd = os.open(path, _APPEND, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "is no regular file", path)
        write_all(fd, line + b"\n")
    finally:
        os.close(fd)


def touch(path: str) -> None:
    """Give a file the present as its time; it need not exist, and its contents stay."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        os.utime(fd)
    finally:
        os.close(fd)


def flush_folder(folder: str) -> None:
    """Make the names in a folder outlive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def move_between(source: str, target: str) -> None:
    """Rename from one folder to another, durably."""
    os.rename(source, target)
    flush_folder(os.path.dirname(target))
    flush_folder(os.path.dirname(source))


def remove(path: str) -> None:
    """Delete a file; one that is gone already is no error."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def signature_of(status: os.stat_result) -> Signature:
    """The signature of a file whose state is known."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def read_signature(path: str) -> Signature | None:
    """The signature of a file or folder; None while there is none."""
    try:
        return signature_of(os.lstat(path))
    except OSError:
        return None


def list_names(folder: str) -> list[str]:
    """The names in a folder, sorted, hidden ones too; none where it cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def list_documents(folder: str) -> list[str]:
    """The names of the JSON files in a folder, sorted and without `.json`; hidden ones are temporary files and left out."""
    return [name[:-5] for name in list_names(folder) if _is_document(name)]


def scan_documents(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """The same in no order, each with its state; a file that is removed meanwhile is left out.

    Raises:
        OSError: the folder cannot be read, or there is none.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_document(entry.name):
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield entry.name.removesuffix(JSON), status


def _is_document(name: str) -> bool:
    return name[0] != "." and name.endswith(JSON)


def older_log_path(path: str) -> str:
    """The name that the older part of a log has: `engine.log.1`, `acts.1.jsonl`."""
    stem, _, ending = path.rpartition(".")
    return f"{path}.1" if ending == "log" else f"{stem}.1.{ending}"


def rotate_log(path: str, kept_bytes: int = LOG_KEPT_BYTES) -> None:
    """Rename a log that has grown longer than `kept_bytes`; it replaces the older part.

    Raises:
        OSError: the disk refused.
    """
    try:
        if os.stat(path).st_size > kept_bytes:
            os.rename(path, older_log_path(path))
    except FileNotFoundError:
        return


def make_private(path: str) -> int | None:
    """Take the rights of others from a file or folder of ours; returns the mode it had, None where nothing was changed."""
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
    """Make those folders that went missing; parents come first.

    Raises:
        OSError: something else has the place of one; it names it.
    """
    for folder in folders:
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise NotADirectoryError(errno.ENOTDIR, "is no folder", folder) from None


def create_folders(folders: tuple[str, ...]) -> None:
    """Make the folders of a state directory, private to the operator; the first one is its root.

    Raises:
        StateDirError: a folder cannot be made, is another user's, or others may write to it.
    """
    root = folders[0]
    made = False
    for folder in folders:
        try:
            os.mkdir(folder, 0o700) if folder != root else os.makedirs(folder, 0o700, exist_ok=False)
            made = True
        except FileExistsError:
            if not os.path.isdir(folder):
                raise StateDirError(f"{folder} is no folder", "move it away, or set KUGETSU_DIR") from None
        except OSError as error:
            raise StateDirError(f"cannot make {folder}: {error.strerror}", "set KUGETSU_DIR to a folder of yours") from None
    check_root(root)
    if made:
        flush_folder(root)


def check_root(root: str) -> None:
    """Make sure that a state directory is the operator's alone.

    Raises:
        StateDirError: it is another user's, or others may write to it.
    """
    status = os.stat(root)
    if not stat.S_ISDIR(status.st_mode):
        raise StateDirError(f"{root} is no folder", "move it away, or set KUGETSU_DIR")
    if status.st_uid != os.geteuid():
        raise StateDirError(f"{root} belongs to another user", "set KUGETSU_DIR to a folder of yours")
    if status.st_mode & 0o022:
        raise StateDirError(f"others may write to {root}", f"run: chmod 700 {root}")


def set_aside(path: str, folder: str, reason: str, stamp: str) -> str | None:
    """Move a file that cannot be read into `folder`, with the reason beside it; returns its new name.

    Nothing is overwritten; None when the file was gone. The reason comes first, so that after a crash no file is without one.
    """
    target = _name_aside(path, folder, stamp)
    told = _write_reason(target, path, reason, stamp)
    try:
        os.rename(path, target)
    except OSError as error:
        remove(told)
        if isinstance(error, FileNotFoundError):
            return None
        raise
    return target


def copy_aside(path: str, folder: str, reason: str, stamp: str) -> str | None:
    """Like `set_aside`, for a file whose name is about to be given to another: its bytes are copied, it is not moved."""
    try:
        data = read(path)
    except FileNotFoundError:
        return None
    except BadFile:
        return set_aside(path, folder, reason, stamp)  # no regular file, or too long
    target = _name_aside(path, folder, stamp)
    _write_reason(target, path, reason, stamp)
    create(target, data)
    return target


def _name_aside(path: str, folder: str, stamp: str) -> str:
    name = os.fsdecode(os.fsencode(os.path.basename(path))[-150:])  # its end says which task it was
    return f"{folder}/{stamp.replace(':', '')}-{os.urandom(3).hex()}-{name}"


def _write_reason(target: str, path: str, reason: str, stamp: str) -> str:
    told = f"{target}.reason"
    create(told, f"{stamp} {path}: {reason}\n".encode("utf-8", "replace"))
    return told
