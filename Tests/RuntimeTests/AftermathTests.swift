import LinuxSystem
import Primitives
import Testing

@testable import Runtime

/// What is still delivered when the command of a namespace has ended.
@Suite struct AftermathTests {
  private let begin = Instant.zero + .seconds(100)

  private func remainder(_ inNamespace: Int, _ onHost: Int) -> Aftermath.Remainder {
    Aftermath.Remainder(inNamespace: inNamespace, onHost: onHost)
  }

  @Test func `it is over as soon as nothing is left`() {
    var aftermath = Aftermath(of: .status(7), at: begin)
    #expect(aftermath.due == begin + .milliseconds(1))
    #expect(aftermath.look(at: remainder(0, 0), at: aftermath.due) == .done)
    #expect(aftermath.exit == .status(7))
  }

  @Test func `it lasts as long as something moves, and ten seconds more`() {
    var aftermath = Aftermath(of: .status(0), at: begin)
    var now = begin
    for left in stride(from: 100, to: 0, by: -1) {
      now = now + .milliseconds(9_900)
      #expect(aftermath.look(at: remainder(left, 50), at: now) == .wait)
      #expect(aftermath.due == now + .milliseconds(20))
    }
    // What has left the namespace is on its way on the host: that is progress as well.
    now = now + .milliseconds(9_900)
    #expect(aftermath.look(at: remainder(0, 51), at: now) == .wait)
    #expect(aftermath.look(at: remainder(0, 51), at: now + .milliseconds(9_999)) == .wait)
    #expect(aftermath.look(at: remainder(0, 51), at: now + .seconds(10)) == .stuck)
  }

  // MARK: The kernel's tables

  private static let head =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

  private static func line(
    _ state: String, _ queued: String, inode: Int = 0, local: String = "0F02000A", remote: String = "0202000A"
  ) -> String {
    "   0: \(local):9C40 \(remote):1F90 \(state) \(queued):00000000 01:00000014 00000000     0        0 \(inode) 2 "
      + "0000000000000000 20 4 30 10 -1\n"
  }

  @Test(arguments: [
    // FIN-WAIT-1, CLOSING and LAST-ACK of programs that have ended.
    (line("04", "00100000") + line("0B", "00000001") + line("09", "00000002"), 0x10_0003),
    // A program that is still there, one that listens, one that is all acknowledged.
    (line("01", "00000500", inode: 4711) + line("0A", "00000005") + line("05", "00000000"), 0),
    // What stays within the namespace.
    (line("04", "00000500", local: "0100007F", remote: "0100007F"), 0),
    ("   1: cut short\n", 0), (line("04", "x"), 0), ("", 0),
  ])
  func `bytes are left of sockets whose programs have ended and whose peers are outside`(lines: String, count: Int) {
    #expect(NamespaceSockets.undeliveredByteCount(in: Self.head + lines) == count)
  }
}
