#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a real shell at a terminal makes of a line where Tab is pressed: complete_try.py SHELL FOLDER.

Reads lines on stdin, prints for each what stands in the shell's editor when all that may come was put
in. SHELL is bash or zsh; FOLDER takes its start-up files. The program is the first `stillpoint' of PATH.
A line that says nothing new (no completion) comes back as it was.
"""
import os
import pty
import select
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "..", "..", "packaging", "completion")
WAIT_S = 20

BASH = r"""
PS1='ready> '
bind 'set enable-bracketed-paste off'
bind 'set completion-ignore-case off'
. /usr/share/bash-completion/bash_completion
. {scripts}/stillpoint.bash
bind '"\C-t": insert-completions'
tell() {{ printf '%s' "$READLINE_LINE" >{folder}/told.new; mv {folder}/told.new {folder}/told; READLINE_LINE=; READLINE_POINT=0; }}
bind -x '"\C-o": tell'
"""

ZSH = r"""
PS1='ready> '
unsetopt zle_bracketed_paste beep
fpath=({scripts} $fpath)
autoload -Uz compinit
compinit -u -D
zstyle ':completion:all-matches:*' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
zle -C all-matches complete-word _generic
bindkey '^T' all-matches
tell() {{ printf '%s' "$BUFFER" >{folder}/told.new; mv {folder}/told.new {folder}/told; BUFFER=; }}
zle -N tell
bindkey '^O' tell
"""


class Shell:
    def __init__(self, shell, folder):
        self.told = os.path.join(folder, "told")
        start = {"bash": BASH, "zsh": ZSH}[shell].format(scripts=os.path.realpath(SCRIPTS), folder=folder)
        name = os.path.join(folder, ".zshrc" if shell == "zsh" else "bashrc")
        with open(name, "w", encoding="utf-8") as stream:
            stream.write(start)
        env = dict(os.environ, HOME=folder, ZDOTDIR=folder, TERM="xterm", COLUMNS="200", LC_ALL="C.UTF-8")
        args = ["bash", "--noprofile", "--rcfile", name, "-i"] if shell == "bash" else ["zsh", "-d", "-i"]
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(args[0], args, env)
        self.seen = b""
        self.until(lambda: b"ready> " in self.seen, "its prompt")

    def until(self, there, what):
        end = time.monotonic() + WAIT_S
        while not there():
            if time.monotonic() > end:
                sys.exit(f"no {what}: {self.seen[-2000:]!r}")
            if select.select([self.fd], [], [], 0.05)[0]:
                self.seen += os.read(self.fd, 65536)

    def complete(self, line):
        os.write(self.fd, line.encode() + b"\x14\x0f")
        self.until(lambda: os.path.exists(self.told), f"answer to '{line}'")
        with open(self.told, encoding="utf-8") as stream:
            text = stream.read()
        os.unlink(self.told)
        return text

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def main():
    shell = Shell(sys.argv[1], sys.argv[2])
    try:
        for line in sys.stdin:
            print(shell.complete(line.rstrip("\n")), flush=True)
    finally:
        shell.end()
    if b"\x07" not in shell.seen and b"rror" in shell.seen:
        sys.exit(f"the shell says: {shell.seen[-2000:]!r}")


main()
