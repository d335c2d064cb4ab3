import LinuxSystem
import Primitives
import Testing

@testable import Runtime

struct ResolverWatchTests {
  /// A watched file, and the queue that tells of it.
  struct Watched: ~Copyable {
    let queue: EventQueue
    var watch: ResolverWatch
    var events = EventBuffer()

    init(_ path: String) throws {
      let queue = try EventQueue()
      watch = try ResolverWatch(path: path, registrar: queue.registrar, data: 7)
      self.queue = queue
    }

    var servers: [String] { watch.servers.map(\.description) }

    /// Waits for the change that leads to `servers`; passing states, such as an empty file, may come before.
    mutating func awaitChange(to servers: String...) throws {
      for _ in 0..<16 where self.servers != servers {
        try queue.wait(into: &events, timeout: .seconds(5))
        try #require(events.count > 0, "nothing was told; the servers are \(self.servers)")
        #expect(events[0].data == 7)
        _ = try watch.takeChange()
      }
      let reached = self.servers
      #expect(reached == servers)
    }
  }

  @Test func `a file that is written again is read again`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/resolv.conf"
    try shell("echo nameserver 192.0.2.1 > \(path)")
    var watched = try Watched(path)
    try watched.awaitChange(to: "192.0.2.1:53")
    try shell("echo nameserver 192.0.2.2 > \(path)")
    try watched.awaitChange(to: "192.0.2.2:53")
  }

  @Test func `a file that another is renamed over is read again`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/resolv.conf"
    try shell("echo nameserver 192.0.2.1 > \(path)")
    var watched = try Watched(path)
    for server in ["192.0.2.2", "192.0.2.3"] {
      try shell("echo nameserver \(server) > \(path).new && mv \(path).new \(path)")
      try watched.awaitChange(to: "\(server):53")
    }
  }

  @Test func `changes behind a symbolic link, and of the link, are seen`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/etc/resolv.conf"
    try shell(
      """
      cd \(folder.path) && mkdir etc first second
      echo nameserver 192.0.2.1 > first/stub && echo nameserver 192.0.2.9 > second/stub
      ln -s ../first/stub etc/resolv.conf
      """)
    var watched = try Watched(path)
    try watched.awaitChange(to: "192.0.2.1:53")
    try shell("cd \(folder.path) && echo nameserver 192.0.2.2 > first/new && mv first/new first/stub")
    try watched.awaitChange(to: "192.0.2.2:53")
    try shell("cd \(folder.path) && ln -s \(folder.path)/second/stub etc/new && mv etc/new etc/resolv.conf")
    try watched.awaitChange(to: "192.0.2.9:53")
    try shell("echo nameserver 192.0.2.10 > \(folder.path)/second/stub")
    try watched.awaitChange(to: "192.0.2.10:53")
  }

  @Test func `without the file the local host is asked until it comes`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/resolv.conf"
    var watched = try Watched(path)
    try watched.awaitChange(to: "127.0.0.1:53")
    try shell("echo nameserver 192.0.2.1 > \(path)")
    try watched.awaitChange(to: "192.0.2.1:53")
    try shell("rm \(path)")
    try watched.awaitChange(to: "127.0.0.1:53")
  }

  @Test func `other files of the folder, and the same servers, are no change`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/resolv.conf"
    try shell("echo nameserver 192.0.2.1 > \(path)")
    var watched = try Watched(path)
    try shell("cd \(folder.path) && touch other && echo nameserver 192.0.2.1 > resolv.conf")
    try watched.queue.wait(into: &watched.events, timeout: .seconds(5))
    #expect(watched.events.count == 1)
    #expect(try watched.watch.takeChange() == nil)
  }

  @Test func `a missing folder of a link's target is no error`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/resolv.conf"
    try shell("ln -s nowhere/resolv.conf \(path)")
    var watched = try Watched(path)
    try watched.awaitChange(to: "127.0.0.1:53")
    try shell("cd \(folder.path) && echo nameserver 192.0.2.1 > new && mv new resolv.conf")
    try watched.awaitChange(to: "192.0.2.1:53")
  }
}
