import LinuxSystem
import Nftables
import Testing

/// What is heard of the kernel's rules. Needs root.
@Suite struct FilterMonitorTests {
  @Test(.needsRoot) func `a change is heard once, and more changes than the kernel keeps are heard, too`() throws {
    try withOwnNetwork {
      let monitor = try FilterMonitor()
      func hasChanged() throws -> Bool { try monitor.takeChanges() }
      #expect(try !hasChanged())
      var session = try NftablesSession()
      try session.apply(FilterTransaction([.addTable(.inet, "t")]))
      #expect(try hasChanged())
      #expect(try !hasChanged())
      try session.apply(FilterTransaction((0..<2000).map { .addTable(.inet, "t\($0)") }))
      #expect(try hasChanged())
    }
  }
}
