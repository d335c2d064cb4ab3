import Glibc
import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import HostSockets

/// Forwards that listen on UNIX sockets, on real ones.
@Suite struct LocalListenerTests {
  private func connect(to path: String) throws -> Peer {
    let socket = try Socket(.stream, for: .path(path))
    #expect(try socket.connect(to: .path(path)))
    return Peer(socket)
  }

  /// A path in a folder of the test's own.
  private func withPath(_ body: (String) throws -> Void) throws {
    let folder = try PrivateFolder(prefix: "culvert-listener")
    try body(folder.path + "/socket")
  }

  @Test(arguments: bothModes)
  func `a client is accepted as a stream like any other, and has no endpoint`(_ mode: PeekMode) throws {
    try withPath { path in
      let host = try Host(mode)
      let (listener, flow) = (host.newFlow(), host.newFlow())
      #expect(host.listen(listener, atPath: path) == .ready)
      #expect(host.accept(from: listener, as: flow) == .wouldBlock)
      let client = try connect(to: path)
      try client.send([1, 2, 3])
      try host.wait(listener, for: .readable)
      #expect(host.accept(from: listener, as: flow) == .acceptedLocal)
      try host.wait(flow, for: .readable)
      #expect(try host.peek(flow, 1).1 == [1])
      #expect(try host.peek(flow, skipping: 1, 10).1 == [2, 3])
      host.discard(flow, count: 3)
      #expect(host.send(flow, [4]) == .accepted(1))
      host.finishWriting(flow)
      #expect(try client.receiveAll() == [4])
      try client.finish()
      try host.wait(flow, for: .readClosed)
      #expect(try host.peek(flow, 1).0 == .endOfStream)
      host.close(flow, abortively: false)
    }
  }

  @Test func `a client that is refused learns of it by what it has sent, else of an end`() throws {
    try withPath { path in
      let host = try Host()
      let listener = host.newFlow()
      #expect(host.listen(listener, atPath: path) == .ready)
      for sends in [true, false] {
        let client = try connect(to: path)
        if sends { try client.send([1]) }
        let flow = host.newFlow()
        #expect(host.accept(from: listener, as: flow) == .acceptedLocal)
        host.close(flow, abortively: true)
        if sends {
          let error = #expect(throws: SystemError.self) { _ = try client.receiveNext() }
          #expect(error?.number == ECONNRESET)
        } else {
          #expect(try client.receiveAll() == [])
        }
      }
    }
  }

  @Test func `the path is for this user alone, and goes with the listener`() throws {
    try withPath { path in
      let host = try Host()
      let listener = host.newFlow()
      #expect(host.listen(listener, atPath: path) == .ready)
      let identity = try FileIdentity(path: path)
      #expect(identity.isSocket && identity.mode & 0o777 == 0o600)
      host.close(listener, abortively: false)
      let error = #expect(throws: SystemError.self) { _ = try FileIdentity(path: path) }
      #expect(error?.number == ENOENT)
      #expect(host.listen(host.newFlow(), atPath: path) == .ready)
    }
  }

  @Test func `the paths go with the network, too`() throws {
    try withPath { path in
      do {
        let host = try Host()
        #expect(host.listen(host.newFlow(), atPath: path) == .ready)
      }
      let error = #expect(throws: SystemError.self) { _ = try FileIdentity(path: path) }
      #expect(error?.number == ENOENT)
    }
  }

  @Test func `what a killed listener left is replaced; a socket in use and other files are left alone`() throws {
    try withPath { path in
      let host = try Host()
      do {
        let killed = try Socket(.stream, for: .path(path))
        try killed.bind(to: .path(path))
        try killed.listen()
      }
      let first = host.newFlow()
      #expect(host.listen(first, atPath: path) == .ready)
      let second = host.newFlow()
      #expect(host.listen(second, atPath: path) == .failed(.addressInUse))
      #expect(!host.holds(second))
      _ = try connect(to: path)
      host.close(first, abortively: false)
      try FileDescriptor.open(replacing: path, mode: 0o600).write("precious")
      #expect(host.listen(second, atPath: path) == .failed(.notASocket))
      #expect(try FileIdentity(path: path).isSocket == false)
      #expect(host.listen(second, atPath: path + "/absent/socket") == .failed(.other(ENOTDIR)))
      try FileSystem.unlink(path)
    }
  }
}
