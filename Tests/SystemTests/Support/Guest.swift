import Foundation
import LinuxSystem
import Synchronization

/// A Linux guest in QEMU, with an agent that runs commands (`Scripts/guest/agent`).
final class Guest: Sendable {
  /// What a script did.
  struct Reply: Sendable {
    let status: Int
    /// What it wrote to stdout and stderr, without the last newline.
    let output: String
  }

  /// A script that runs in the guest.
  struct Job: Sendable {
    fileprivate let number: Int
    fileprivate let guest: Guest

    /// Waits for its end.
    func finish(seconds: Double = 30) throws -> Reply { try guest.reply(to: number, seconds: seconds) }
  }

  /// QEMU, or what was put before it.
  let program: Program
  private let agent: Socket
  private let answers: LineLog
  private let folder: ScratchFolder
  private let jobs = Mutex(0)

  /// Boots a guest, and waits until it takes commands: by then it has its lease, where there is a DHCP server.
  /// - Parameters:
  ///   - network: QEMU's options for the network.
  ///   - launcher: what is put before the command, such as `culvert run --`.
  ///   - kernelOptions: more of the kernel's command line.
  ///   - firmware: QEMU's options for a boot by the network, with `commandLine`; nil to get the kernel from QEMU.
  init(
    network: [String], launcher: [String] = [], kernelOptions: String = "", firmware: [String]? = nil
  ) throws {
    folder = try ScratchFolder()
    let image = Requirement.guestFolder
    let kernel = [
      "-kernel", "\(image)/vmlinuz", "-initrd", "\(image)/initramfs", "-append", "\(Self.commandLine) \(kernelOptions)",
    ]
    let machine = [
      "qemu-system-x86_64", "-accel", "tcg", "-m", "512", "-no-user-config", "-nodefaults", "-display", "none",
      "-serial", "file:\(folder["console"])", "-chardev", "stdio,id=agent,signal=off", "-serial", "chardev:agent",
    ]
    let (near, far) = try Socket.pair(.stream).take()
    agent = Socket(FileDescriptor(owning: near))
    answers = LineLog(reading: try agent.descriptor.duplicate())
    let farEnd = FileDescriptor(owning: far)
    program = try Program(
      launcher + machine + (firmware ?? kernel) + network, standardInput: farEnd.rawValue,
      standardOutput: farEnd.rawValue)
    try explaining { try waitUntilReady() }
  }

  /// The kernel's command line.
  static let commandLine = "console=ttyS0 quiet"

  /// Runs a script by bash and waits for its end.
  func run(_ script: String, seconds: Double = 30) throws -> Reply { try start(script).finish(seconds: seconds) }

  /// Runs a script that must succeed, and returns its output.
  @discardableResult
  func output(of script: String, seconds: Double = 30) throws -> String {
    let reply = try run(script, seconds: seconds)
    guard reply.status == 0 else { throw Failure("in the guest: \(script)\nstatus \(reply.status)\n\(reply.output)") }
    return reply.output
  }

  /// Starts a script, which runs beside others.
  func start(_ script: String) throws -> Job {
    let number = jobs.withLock { number in
      number += 1
      return number
    }
    try send("\(number) \(Data(script.utf8).base64EncodedString())\n")
    return Job(number: number, guest: self)
  }

  /// Has the machine boot again, while QEMU goes on, and waits for the new system.
  func reboot() throws {
    let before = answers.count
    _ = try start("reboot -f")
    try explaining { try waitUntilReady(from: before) }
  }

  /// The lease that the guest took, by the names of udhcpc.
  func lease() throws -> [String: String] {
    Dictionary(
      try output(of: "cat /run/lease").split(separator: "\n").map { line in
        let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts[0]), String(parts[1]))
      }, uniquingKeysWith: { first, _ in first })
  }

  private func waitUntilReady(from line: Int = 0) throws {
    try answers.wait(seconds: 60, from: line, "word from the guest's agent") { $0 == "ready" ? () : nil }
  }

  private func reply(to number: Int, seconds: Double) throws -> Reply {
    let parts = try explaining {
      try answers.wait(seconds: seconds, "answer from the guest") { line -> [Substring]? in
        let parts = line.split(separator: " ", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0] == "\(number)" ? parts : nil
      }
    }
    guard let status = Int(parts[1]), let output = Data(base64Encoded: String(parts[2])) else {
      throw Failure("the guest's agent answered '\(parts)'")
    }
    let text = String(decoding: output, as: UTF8.self)
    return Reply(status: status, output: text.hasSuffix("\n") ? String(text.dropLast()) : text)
  }

  private func send(_ line: String) throws {
    let bytes = Array(line.utf8)
    var rest = bytes[...]
    while !rest.isEmpty {
      if let sent = try agent.send(rest.span) {
        rest = rest.dropFirst(sent)
      } else {
        try waitUntil(agent.rawValue, is: .writable, by: .after(30), "the guest to take a command")
      }
    }
  }

  /// Adds to an error what the guest's console and QEMU said.
  private func explaining<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch {
      // Not all of it is UTF-8, and where QEMU did not start there is none.
      let console = FileManager.default.contents(atPath: folder["console"]) ?? Data("(none)".utf8)
      throw Failure(
        "\(error)\n-- QEMU --\n\(program.errors.text)\n-- the guest's console --\n\(String(decoding: console, as: UTF8.self))"
      )
    }
  }
}

extension Guest {
  /// Starts a socat that listens in the guest, and waits until it does.
  /// - Parameters:
  ///   - address: where, in socat's words, such as `TCP4-LISTEN:7000,reuseaddr,fork`.
  ///   - peer: what each client is joined with, such as `PIPE`.
  func listen(on address: String, for peer: String) throws {
    try output(
      of: """
        log=$(mktemp -u) && mkfifo "$log"
        socat -d -d -b 66000 '\(address)' '\(peer)' 2>"$log" &
        exec 9<"$log"
        while read -r line <&9; do
          case $line in
            *"listening on"* | *"receiving on"*) cat <&9 >/dev/null & exit ;;
          esac
        done
        exit 1
        """)
  }

  /// Sends a datagram of noise to `address:port` and requires that the same bytes come back.
  func expectEcho(ofByteCount count: Int, from address: String, port: UInt16) throws {
    try output(
      of: """
        head -c \(count) /dev/urandom >/tmp/sent
        socat -b 66000 -t 10 - UDP4:\(address):\(port),readbytes=\(count) </tmp/sent >/tmp/returned
        cmp /tmp/sent /tmp/returned
        """)
  }
}
