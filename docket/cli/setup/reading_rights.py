"""Whether the user of Docket's workers may read a directory, by its rights and those of the ones above. For `setup`."""

from __future__ import annotations

import os
import pwd
import stat
import struct
from pathlib import Path

OWNER = "docket"
"""The user of the services, and of the directories that Docket makes."""
_READ, _ENTER = 4, 1
_ACL, _ACL_USER = "system.posix_acl_access", 2


def closed_part(root: Path, path: Path) -> Path | None:
    """The directory that keeps the worker out: this one, or one above it. None if there is none."""
    user = _user()
    for part in (*reversed(path.parents), path):
        wanted = _ENTER | (_READ if part == path else 0)
        if not _allows(root / part.relative_to("/"), user, wanted):
            return part
    return None


def _allows(path: Path, user: pwd.struct_passwd | None, wanted: int) -> bool:
    try:
        status = path.stat()
        granted = status.st_mode & stat.S_IRWXO
        if user is not None and status.st_uid == user.pw_uid:
            granted = status.st_mode >> 6 & 7
        elif user is not None:
            in_group = status.st_gid in os.getgrouplist(user.pw_name, user.pw_gid)
            granted |= (status.st_mode >> 3 & 7 if in_group else 0) | _granted_to(path, user.pw_uid)
    except OSError:
        return False
    return granted & wanted == wanted


def _granted_to(path: Path, user: int) -> int:
    """What an access control list grants to this user."""
    try:
        entries = os.getxattr(path, _ACL)[4:]
    except OSError:
        return 0
    found = (
        rights for kind, rights, number in struct.iter_unpack("<HHI", entries) if (kind, number) == (_ACL_USER, user)
    )
    return next(found, 0)


def _user() -> pwd.struct_passwd | None:
    """None where the package has not made the user yet."""
    try:
        return pwd.getpwnam(OWNER)
    except KeyError:
        return None
