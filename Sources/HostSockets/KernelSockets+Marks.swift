import Glibc
import LinuxSystem
import Netstack
import Primitives

extension SocketOption {
  /// The hop limit of a family's sockets.
  static func hopLimit(_ family: IPAddress.Family) -> SocketOption { family == .ipv4 ? .ipv4HopLimit : .ipv6HopLimit }

  /// The octet of DSCP and ECN of a family's sockets.
  static func trafficClass(_ family: IPAddress.Family) -> SocketOption {
    family == .ipv4 ? .ipv4TrafficClass : .ipv6TrafficClass
  }

  /// Whether a family's packets may be fragmented.
  static func pathMTU(_ family: IPAddress.Family) -> SocketOption { family == .ipv4 ? .ipv4PathMTU : .ipv6PathMTU }

  /// Whether a family's sockets queue errors with their cause.
  static func errorQueue(_ family: IPAddress.Family) -> SocketOption {
    family == .ipv4 ? .ipv4ErrorQueue : .ipv6ErrorQueue
  }
}

extension KernelSockets {
  /// Lets a flow's socket send with `marks` from now on. Most flows never change theirs, so that it is cheaper to set
  /// them on the socket when they change than to send them along with each datagram.
  mutating func apply(_ marks: PacketMarks, to flow: FlowID) throws(SystemError) {
    let state = table[flow]
    let (old, family, socket) = (state.marks, state.family, state.descriptor)
    if marks.hopLimit != old?.hopLimit ?? 0 {
      try SocketOption.hopLimit(family).set(Self.hopLimit(marks), on: socket)
    }
    if marks.dscp != old?.dscp ?? 0 {
      try SocketOption.trafficClass(family).set(Int32(marks.dscp) << 2, on: socket)
    }
    if marks.mayFragment != old?.mayFragment {
      // PROBE: never cut, and no memory of a narrow path comes between: each packet learns for itself what is there.
      // DONT: the host's own router may cut as well, so that it never asks for less.
      let mode = marks.mayFragment ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE
      try SocketOption.pathMTU(family).set(Int32(mode), on: socket)
    }
    calls.marks += 1
    table[flow].marks = marks
  }

  /// -1 stands for the system's default.
  private static func hopLimit(_ marks: PacketMarks) -> Int32 { marks.hopLimit == 0 ? -1 : Int32(marks.hopLimit) }

  /// Marks the SYN of a stream, and lets the network's errors about it be told.
  static func markForConnecting(
    _ socket: borrowing Socket, _ marks: PacketMarks, _ family: IPAddress.Family
  ) throws(SystemError) {
    try socket.set(.errorQueue(family), to: true)
    try socket.set(.hopLimit(family), to: hopLimit(marks))
  }

  /// Takes back what only the SYN was to have. In an open connection an error of the network is no end (RFC 1122
  /// section 4.2.3.9), but the kernel makes it one for a socket that queues errors.
  mutating func endConnecting(_ flow: FlowID) throws(SystemError) {
    let state = table[flow]
    guard state[.isMarkedForConnecting] else { return }
    table[flow][.isMarkedForConnecting] = false
    try SocketOption.errorQueue(state.family).set(0, on: state.descriptor)
    try SocketOption.hopLimit(state.family).set(-1, on: state.descriptor)
  }
}
