"""The link between a namespace and a network, as `Scripts/record` records it: a TAP device on one side, QEMU's stream on
the other, and in the middle somebody who keeps each frame, and loses those that he is told to."""

import fcntl
import os
import select
import struct
import threading
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
LONGEST_FRAME = 1 << 17


def open_tap(name):
    """A new TAP device: its frames are whole, since nothing is left to us of checksums and segments."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


class Loss:
    """Which frames are lost: each `every`-th of those that carry so much, in one direction. None are as long as it is 0.

    What is lost from the guest is not recorded, since the network never sees it; what is lost to the guest is."""

    def __init__(self, every=0, longer_than=1000):
        self.every, self.longer_than, self.seen = every, longer_than, 0

    def takes(self, frame):
        if self.every == 0 or len(frame) <= self.longer_than:
            return False
        self.seen += 1
        return self.seen % self.every == 0


class Link:
    """Carries frames between a TAP device and a stream, by a thread of its own, and keeps them."""

    def __init__(self, tap, stream, loss_up=Loss(), loss_down=Loss()):
        self.tap, self.stream, self.losses = tap, stream, (loss_up, loss_down)
        self.frames = []
        self.unread = bytearray()
        self.last = time.monotonic()
        self.failure = None
        self.stopping, self.stop_writer = os.pipe()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while True:
                ready, _, _ = select.select([self.tap, self.stream, self.stopping], [], [])
                if self.stopping in ready:
                    return
                if self.tap in ready:
                    self.carry_up()
                if self.stream in ready:
                    self.carry_down()
        except (OSError, EOFError) as error:
            self.failure = error

    def keep(self, frame):
        self.last = time.monotonic()
        self.frames.append((time.time_ns(), bytes(frame)))

    def carry_up(self):
        frame = os.read(self.tap, LONGEST_FRAME)
        if self.losses[0].takes(frame):
            return
        self.keep(frame)
        self.stream.sendall(struct.pack(">I", len(frame)) + frame)

    def carry_down(self):
        received = self.stream.recv(1 << 18)
        if not received:
            raise EOFError("the network has closed the link")
        self.unread += received
        while len(self.unread) >= 4:
            (length,) = struct.unpack_from(">I", self.unread)
            if len(self.unread) < 4 + length:
                return
            frame = bytes(self.unread[4:4 + length])
            del self.unread[:4 + length]
            self.keep(frame)
            if not self.losses[1].takes(frame):
                self.write(frame)

    def write(self, frame):
        while True:
            try:
                os.write(self.tap, frame)
                return
            except BlockingIOError:
                select.select([], [self.tap], [])

    def await_rest(self, seconds):
        """Waits until nothing has passed for so long."""
        while True:
            quiet = time.monotonic() - self.last
            if quiet >= seconds:
                return
            time.sleep(seconds - quiet)

    def stop(self):
        """Ends the thread and returns the frames: when they passed, in nanoseconds since 1970, and their bytes."""
        os.write(self.stop_writer, b".")
        self.thread.join()
        if self.failure:
            raise RuntimeError(f"the link ended: {self.failure}")
        return self.frames
