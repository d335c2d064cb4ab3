import Foundation
import LinuxSystem
import Primitives
import Testing

extension SystemTests {
  /// Thousands of TCP connections through one culvert: client, server and culvert are three processes.
  @Suite(.serialized, Requirement.root)
  struct FlowCountTests {
    /// A host's namespace with culvert and the server, and a guest's with the client.
    final class Network {
      let culvert: Culvert
      let client: FlowClient
      private let (host, guest): (NetworkNamespace, NetworkNamespace)
      private let pump: FramePump
      private let server: Program
      /// The descriptors that are open without a connection.
      let idleDescriptorCount: Int

      /// - Parameter launcher: what is put before culvert, such as `prlimit`.
      init(launcher: [String] = []) throws {
        (host, guest) = (try NetworkNamespace(), try NetworkNamespace())
        for namespace in [host, guest] { try namespace.run(Self.limits) }
        let tap = try TAP(name: "flows\(ProcessControl.processID % 100_000)")
        try guest.adopt(tap, address: "10.0.2.15/24")
        try guest.run("ip route add default via 10.0.2.2")
        culvert = try Culvert(launcher: host.launcher + launcher)
        pump = try FramePump(between: tap, and: culvert.socketPath)
        server = try FlowClient.server(port: 7777, launcher: host.launcher)
        client = try FlowClient(in: guest, to: "10.0.2.2", port: 7777)
        // So that everything has been used once.
        idleDescriptorCount = try FileManager.default.contentsOfDirectory(
          atPath: "/proc/\(culvert.program.processID)/fd"
        ).count
        try client.churn(100, closer: "client")
        try waitForIdle()
      }

      /// Ports for 20,000 connections that close within a minute, and a queue for those that the server has to accept.
      private static let limits = """
        echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range && echo 4096 >/proc/sys/net/core/somaxconn
        """

      var descriptorCount: Int {
        get throws { try FileManager.default.contentsOfDirectory(atPath: "/proc/\(processID)/fd").count }
      }

      /// Anonymous memory in bytes.
      var memory: Int { get throws { try ProcessStatus(of: processID).number("RssAnon") * 1024 } }

      private var processID: Int32 { culvert.program.processID }

      /// Waits until no connection has a descriptor.
      func waitForIdle() throws {
        let deadline = Deadline.after(10)
        while try descriptorCount > idleDescriptorCount {
          guard !deadline.hasPassed else { throw Failure("\(try descriptorCount) descriptors are still open") }
          // The end of a flow shows nowhere else.
          Thread.sleep(forTimeInterval: 0.02)
        }
      }

      func stop() throws {
        pump.stop()
        #expect(try culvert.stop().exit == .status(0))
      }
    }

    @Test func `10,000 connections at once cost a descriptor and at most 400 bytes each`() throws {
      let network = try Network()
      let memory = try network.memory
      let opening = try network.client.open(10_000)
      #expect(opening.established == 10_000)
      #expect(try network.descriptorCount - network.idleDescriptorCount == 10_000)
      let bytes = try network.memory - memory
      print("\(bytes / 10_000) bytes for each connection")
      #expect(bytes <= 400 * 10_000)
      try network.client.close()
      try network.waitForIdle()
      try network.stop()
    }

    @Test func `20,000 connections one after another leave no descriptor and no memory behind`() throws {
      let network = try Network()
      // Those that the server closes first are remembered for a minute (TIME-WAIT): as many as there will be.
      try network.client.churn(10_000, closer: "server")
      try network.waitForIdle()
      let memory = try network.memory
      try network.client.churn(20_000, closer: "client")
      try network.waitForIdle()
      #expect(try network.memory - memory < 256 * 1024)
      try network.stop()
    }

    @Test func `whoever comes after the descriptors are used up is refused at once`() throws {
      let network = try Network(launcher: ["prlimit", "--nofile=200:200"])
      let opening = try network.client.open(300)
      #expect(opening.established > 150)
      #expect(opening.established < 200)
      #expect(opening.refused == 300 - opening.established)
      // And whoever comes after others have gone is not.
      try network.client.close()
      try network.waitForIdle()
      #expect(try network.client.open(100).established == 100)
      try network.stop()
    }
  }
}
