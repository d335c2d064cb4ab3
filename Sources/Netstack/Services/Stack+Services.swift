import BasicContainers
import Buffers
import Primitives
import Wire

extension Stack where Host: ~Copyable, Watcher: ~Copyable {
  /// A message to the DHCP server.
  mutating func receiveDHCP<Sink: FrameSink & ~Copyable>(
    _ payload: PayloadSlice, from hardware: MACAddress, of batch: borrowing FrameBatch, at now: Instant,
    into sink: inout Sink
  ) {
  }
}

// Holds the place of the DHCP server until its file lands, and goes then.
struct DHCPServer { init(settings: NetworkSettings) {} }
