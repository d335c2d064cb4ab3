"""Records one session behind one network. Run by `Scripts/record`, in namespaces of its own that are the host."""

import argparse
import contextlib
import os
import pathlib
import tempfile

import record_capture
from record_sessions import sessions
from record_world import World


def find(name):
    return next(session for session in sessions if session.name == name)


def main():
    parser = argparse.ArgumentParser(prog="Scripts/record")
    parser.add_argument("--list", action="store_true", help="the sessions, each with its networks")
    parser.add_argument("--culvert")
    parser.add_argument("--image")
    parser.add_argument("--private", default="", help="words that must not be in what is recorded")
    parser.add_argument("name", nargs="?")
    parser.add_argument("kind", nargs="?")
    parser.add_argument("path", nargs="?")
    arguments = parser.parse_args()
    if arguments.list:
        for session in sessions:
            print(session.name, *session.networks)
        return
    session = find(arguments.name)
    with tempfile.TemporaryDirectory(prefix="culvert-record-") as folder, contextlib.ExitStack() as stack:
        os.chmod(folder, 0o755)
        world = World(arguments, folder, stack)
        written = session.record(world, arguments.kind)
        frames = record_capture.read(written) if written else world.frames
        record_capture.write(arguments.path, frames)
        record_capture.check_privacy(arguments.path, [folder, *arguments.private.split()])
    if session.options:
        # What a replay has to know of the network, in the words of QEMU's '-netdev user'.
        pathlib.Path(arguments.path).with_suffix(".network").write_text("\n".join(session.options) + "\n")
    print(f"{arguments.path}: {len(frames)} frames, {os.path.getsize(arguments.path)} bytes")


main()
