import LinuxSystem
import Netstack
import Primitives
import Testing

@testable import Runtime

struct NetworkLoopTests {
  @Test func `a frame that comes in parts is answered once it is whole`() throws {
    let loop = try LoopUnderTest()
    let request = GuestEnd.request(from: 15)
    for byte in request.dropLast() {
      #expect(try loop.guest(0).write([byte]) == 1)
      try loop.poll()
    }
    try loop.run { loop.log.contains("connected") }
    #expect(try loop.guest(0).frames().isEmpty)
    #expect(try loop.guest(0).write(request.suffix(1)) == 1)
    try loop.run { try loop.guest(0).frames().count == 1 }
    #expect(GuestEnd.isAnswer(try loop.guest(0).frames()[0], to: 15))
  }

  @Test func `each link gets its own answers`() throws {
    let loop = try LoopUnderTest(links: 3)
    for port in [2, 0, 1] {
      let request = GuestEnd.request(from: UInt8(20 + port))
      #expect(try loop.guest(port).write(request) == request.count)
    }
    try loop.run { try (0..<3).allSatisfy { try loop.guest($0).frames().count == 1 } }
    for port in 0..<3 {
      #expect(GuestEnd.isAnswer(try loop.guest(port).frames()[0], to: UInt8(20 + port)))
    }
  }

  @Test func `a guest that does not read holds up nobody, and gets whole frames later`() throws {
    let loop = try LoopUnderTest(links: 2)
    let flood = GuestEnd.request(from: 15)
    // More answers than the buffers on the way to the guest hold.
    for _ in 0..<40_000 {
      while try loop.guest(0).write(flood) == 0 { try loop.poll() }
    }
    let request = GuestEnd.request(from: 16)
    #expect(try loop.guest(1).write(request) == request.count)
    try loop.run { try loop.guest(1).frames().count == 1 }
    let answers = try loop.guest(0).frames()
    #expect(answers.count > 1000 && answers.count < 40_000)
    #expect(answers.allSatisfy { GuestEnd.isAnswer($0, to: 15) })
  }

  @Test func `commands from other threads are carried out, failures are logged`() throws {
    let loop = try LoopUnderTest()
    let place = Endpoint(.loopback, port: try freePort())
    let forward = PortForward(
      transport: .tcp, host: place, guest: Endpoint(IPv4Address(10, 0, 2, 15), port: 80))
    loop.mailbox.send(.apply(.addForward(forward)))
    loop.mailbox.send(.apply(.addForward(forward)))
    let message = "error: cannot listen on \(place): the address is in use; choose another port"
    try loop.run { loop.log.contains(message) }
    loop.mailbox.send(.apply(.removeForward(.port(.udp, place))))
    try loop.run { loop.log.contains("nothing is forwarded from udp \(place)") }
  }

  @Test func `the host's name servers are followed`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/resolv.conf"
    try shell("echo nameserver 192.0.2.1 > \(path)")
    let loop = try LoopUnderTest()
    try loop.followResolvers(of: path)
    #expect(loop.log.contains("name servers: 192.0.2.1:53\n"))
    try shell("echo nameserver 192.0.2.2 > \(path).new && mv \(path).new \(path)")
    try loop.run { loop.log.contains("name servers: 192.0.2.2:53\n") }
  }

  @Test func `a request to stop ends the loop within its time`() throws {
    let loop = try LoopUnderTest()
    try loop.run { loop.log.contains("connected") }
    loop.mailbox.send(.logFlows)
    loop.mailbox.send(.stop)
    let begin = MonotonicClock.now
    #expect(try loop.run() == .stopped)
    #expect(MonotonicClock.now - begin < .seconds(1))
    #expect(loop.log.contains("0 flows"))
  }
}
