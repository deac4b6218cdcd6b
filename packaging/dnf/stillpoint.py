# SPDX-License-Identifier: BSD-2-Clause
# Goes to %{python3_sitelib}/dnf-plugins/stillpoint.py: of the Python that dnf runs with.
"""Before dnf changes a package that [upgrade] in /etc/stillpoint/conf.d/upgrade.conf names, the node is
backed up. Once past it: sudo STILLPOINT_SKIP_BACKUP=1 dnf ...

A plugin for dnf 4, since that is what RHEL 8 to 10 and Amazon Linux 2023 have (yum is another name of it
there), and dnf-automatic with it. Here the whole transaction is known, tested and agreed to, nothing of it is
done yet, and an exception stops it. Not so the alternatives: the actions of dnf-plugins-core run after a
transaction on RHEL 8 and 9; libdnf5's are for dnf 5; a plugin of rpm's would have to be built for each rpm and
sees one element after the other. `rpm -U` by hand does not come by here: stillpoint run -- rpm -U ...
"""
import atexit
import os
import subprocess
import sys

import dnf
import dnf.exceptions
import dnf.transaction

PROGRAM = "/usr/bin/stillpoint"
NOT_STARTED = (126, 127)


def words(*parts):
    """A line of the list: apt's version 2, of words with one blank between."""
    return " ".join("".join(str(part).split()) or "-" for part in parts)


def package_lines(transaction):
    gone = {dnf.transaction.PKG_UPGRADED, dnf.transaction.PKG_DOWNGRADED}
    removed = {dnf.transaction.PKG_ERASE, dnf.transaction.PKG_OBSOLETED}
    direction = {dnf.transaction.PKG_UPGRADE: "<", dnf.transaction.PKG_DOWNGRADE: ">"}
    old = {item.name: item.evr for item in transaction if item.action in gone}
    for item in transaction:
        if item.action in direction and item.name in old:
            yield words(item.name, old[item.name], direction[item.action], item.evr, "**UPGRADE**")
        elif item.action in removed:
            yield words(item.name, item.evr, ">", "-", "**REMOVE**")


def list_of(base):
    root = base.conf.installroot.replace("%", "%25").replace("\n", "%0a")
    return "\n".join(["VERSION 2", "Dir=" + root, "", *package_lines(base.transaction)]) + "\n"


def list_or_nothing(base):
    """What is no Error of its own dnf logs, and goes on. Here the policy decides: pre-upgrade takes no empty list."""
    try:
        return list_of(base)
    except Exception as error:  # pylint: disable=broad-except
        sys.stderr.write(f"W: stillpoint can not read dnf's transaction: {type(error).__name__}: {error}\n")
        return ""


def say_not_started():
    """One that a library is missing for must not stand in the way of the dnf that mends that. Not to a log of
    dnf's, which -q silences."""
    sys.stderr.write("W: stillpoint can not be started: no backup was taken\n")


def say_after():
    sys.stdout.flush()
    try:
        subprocess.call([PROGRAM, "pre-upgrade", "--dnf", "--after"], stdin=subprocess.DEVNULL)
    except OSError:
        pass  # the transaction has removed it


class Stillpoint(dnf.Plugin):
    name = "stillpoint"

    def pre_transaction(self):
        if not self.base.transaction or not os.access(PROGRAM, os.X_OK):
            return
        text = list_or_nothing(self.base)
        sys.stdout.flush()
        try:
            child = subprocess.Popen([PROGRAM, "pre-upgrade", "--dnf"], stdin=subprocess.PIPE)
        except OSError:
            say_not_started()
            return
        child.communicate(text.encode("utf-8", "replace"))
        if child.returncode in NOT_STARTED:
            say_not_started()
        elif child.returncode != 0:
            raise dnf.exceptions.Error("stopped by stillpoint, which has said why; nothing was changed")
        else: # behind all that dnf says itself
            atexit.register(say_after)
