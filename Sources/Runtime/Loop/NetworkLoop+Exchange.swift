import Buffers
import Links
import LinuxSystem
import Netstack
import Primitives
import Recording

// Several loops may serve one network: frames come to any of them, and go on at their owner.
extension NetworkLoop where Host: ~Copyable {
  /// Makes the loop one of those of `mesh`.
  mutating func join(_ mesh: LoopMesh, as loop: Int) throws(SystemError) {
    let exchange = LoopExchange(mesh, loop: loop)
    try queue.registrar.add(exchange.descriptor, for: .readable, data: LoopSource.exchange.data)
    links.base.exchange = consume exchange
  }

  /// Goes on with what other loops have read from their links.
  mutating func takeHandedOver() {
    for other in 0..<(links.base.exchange?.count ?? 0) {
      for round in 0... {
        guard let reader = links.base.exchange?.takeBatch(of: other) else { break }
        hand(reader)
        links.base.exchange?.giveBack(reader, of: other)
        guard round < Self.batchesPerTurn else {
          links.base.exchange?.leaveForLater()
          break
        }
      }
    }
  }

  private static var batchesPerTurn: Int { 8 }

  private mutating func hand(_ reader: borrowing FrameRingReader) {
    stack.receive(reader.batch, handedOver: true, at: now, into: &links)
  }
}
