r"""Paths and keys that every machine has: a report names them, and nobody can look for them.

1. A program of Windows in its own folder is on each Windows; the same name in another folder is a sign (`C:\ProgramData\svchost.exe`).
2. A key under which programs are started is on each Windows too; a name below it may be a sign (`...\Run\Updater`).
3. A path of debug symbols, or of the sources of a library, is one of the machine on which a program was made.
4. A path in the home of somebody is on one machine, and names somebody: told of only, but for homes that every machine has
   (`Public`, `Administrator`) or that stand for anybody (`user`, `%USERNAME%`, `*`).
5. What stands here is told of, never left out: it says how an attack goes.
"""

from __future__ import annotations

import re
from typing import Final

_FOLDERS: Final = re.compile(
    r"(?:%(?:windir|systemroot)%|[a-z]:\\windows)(?:\\(?:system32|syswow64|sysnative|system|wbem"
    r"|system32\\wbem|system32\\windowspowershell\\v1\.0|syswow64\\windowspowershell\\v1\.0"
    r"|microsoft\.net\\framework(?:64)?\\v[0-9.]{1,20}))?\\([^\\]{1,80})"
)
_PROGRAMS: Final = frozenset(
    """
    arp at attrib bcdedit bitsadmin cacls calc certutil cmd cmstp conhost control cscript csrss dllhost dns
    esentutl expand explorer findstr fodhelper forfiles ftp hh icacls installutil ipconfig lsass makecab
    mmc msbuild mshta msiexec mstsc nbtstat net net1 netsh netstat nltest notepad nslookup odbcconf pcalua ping
    powershell psr query qwinsta reg regasm regedit regedt32 regsvcs regsvr32 rundll32 runas runonce sc schtasks
    services smss sethc shutdown spoolsv svchost systeminfo taskhost taskhostw taskkill tasklist taskmgr utilman
    vssadmin w32tm wbadmin wevtutil whoami wininit winlogon winmgmt winrs wmic wmiprvse wscript wuauclt xcopy
    """.split()  # noqa: SIM905 - a list of words reads better without quotes
)
_UNIX: Final = frozenset(
    """
    /bin/bash /bin/sh /bin/zsh /dev/null /dev/shm /dev/tcp /etc/crontab /etc/group /etc/hosts /etc/passwd /etc/rc.local
    /etc/shadow /usr/bin/curl /usr/bin/env /usr/bin/perl /usr/bin/php /usr/bin/python /usr/bin/python3 /usr/bin/ssh
    /usr/bin/wget /usr/sbin/cron /usr/sbin/sshd /var/log/auth.log /var/log/syslog /var/log/wtmp
    """.split()  # noqa: SIM905 - a list of paths reads better without quotes
)
_HOME: Final = re.compile(r"[a-z]:\\users\\[^\\]{1,80}\\?|/(?:home|users)/[^/]{1,80}/?")
_IN_HOME: Final = re.compile(
    r"[a-z]:\\(?:users|documents and settings)\\([^\\]{1,80})\\|/(?:home|users)/([^/]{1,80})/"
)
_ANYBODY: Final = re.compile(
    r"public|shared|default(?: user)?|all users|administrator|admin|guest|user|users?_?name|test|root|ubuntu|vagrant"
    r"|networkservice|localservice|[%<{\[$*].*|.*[%>}\]*]|(?:x+|\.+|_+)"
)
_MADE_ELSEWHERE: Final = re.compile(
    r"\.pdb\Z|[\\/]\.cargo[\\/]registry[\\/]|[\\/]go[\\/]pkg[\\/]mod[\\/]|[\\/]site-packages[\\/]|[\\/]rustc[\\/][0-9a-f]{40}[\\/]"
)
_STARTS: Final = re.compile(
    r"hkey_(?:local_machine|current_user|users(?:\\[^\\]{1,80})?)\\software\\(?:wow6432node\\)?microsoft\\windows(?: nt)?\\currentversion"
    r"(?:\\(?:run|runonce|runservices|runonceex|policies\\explorer\\run|winlogon|windows|explorer\\(?:user )?shell folders"
    r"|image file execution options))?\\?\Z"
)


def everywhere(path: str) -> bool:
    """Whether a path is one that every machine has, or only the one on which the program was made."""
    low = path.lower()
    if low in _UNIX or _HOME.fullmatch(low) is not None or _MADE_ELSEWHERE.search(low) is not None:
        return True
    found = _FOLDERS.fullmatch(low)
    name = found[1].removesuffix(".exe") if found is not None else ""
    return name in _PROGRAMS or _of_somebody(low)


def _of_somebody(low: str) -> bool:
    found = _IN_HOME.match(low)
    return found is not None and _ANYBODY.fullmatch(found[1] or found[2]) is None


def starts_programs(key: str) -> bool:
    """Whether a normalised key of the registry is one under which every Windows starts programs."""
    return _STARTS.match(key.lower()) is not None
