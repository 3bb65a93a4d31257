"""What may be where a file of ours is expected; and following the advice of an error."""

import os
import re
import socket
import subprocess

import pytest

as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away"
)


def place_link(path, elsewhere):
    path.symlink_to(elsewhere)


def place_dangling_link(path, elsewhere):
    path.symlink_to(elsewhere.with_name("nowhere"))


def place_loop(path, _):
    path.symlink_to(path)


def place_hard_link(path, elsewhere):
    os.link(elsewhere, path)


def place_fifo(path, _):
    os.mkfifo(path, 0o600)


def place_folder(path, _):
    path.mkdir(mode=0o700)


def place_open_file(path, _):
    path.write_bytes(b"")
    path.chmod(0o644)


def place_socket(path, _):
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path.parent)  # the path of a socket is short
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(path.name)
        path.chmod(0o600)
    finally:
        os.fchdir(here)
        os.close(here)


def precious_file(path, data=b"precious"):
    """Make the private file that links lead to."""
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def follow_advice(error):
    """Run the command that the message gives."""
    command = re.search(r"run: (.*)", error.message).group(1)
    subprocess.run(command.replace("sudo ", ""), shell=True, check=True)  # noqa: S602 - as its reader would
