import Capture
import Configuration
import Foundation
import Netstack
import Primitives
import Simulation
import Testing

@testable import Runtime

/// A recorded session, or the capture of a failure that was mended, beside what is expected of its replay.
struct Session: CustomTestStringConvertible, Sendable {
  /// The capture's name, without its suffix.
  let name: String
  private let folder: URL

  /// The folder of all captures.
  static let captures = URL(filePath: #filePath + "/../../../Captures", directoryHint: .isDirectory).standardized

  /// All of a folder of `captures`, in the order of their names.
  static func all(in folder: String) -> [Session] {
    let place = captures.appending(path: folder)
    // A folder that is not there has no sessions; that there are some is a test of its own.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: place.path())) ?? []
    return names.filter { $0.hasSuffix(".pcap") }.sorted().map { Session(name: String($0.dropLast(5)), folder: place) }
  }

  var testDescription: String { name }

  private func file(_ suffix: String) -> URL { folder.appending(path: name + suffix) }
  var capturePath: String { file(".pcap").path() }
  var expectationPath: String { file(".expected").path() }

  /// The name of the session without that of the network that it was recorded behind.
  var scriptName: String { name.hasSuffix("-libslirp") ? String(name.dropLast("-libslirp".count)) : name }

  /// What the stack is to answer, line by line; nil where nobody has said so.
  func expectation() throws -> [String]? {
    guard FileManager.default.fileExists(atPath: expectationPath) else { return nil }
    return try String(contentsOfFile: expectationPath, encoding: .utf8).split(separator: "\n").map(String.init)
  }

  /// Accepts what the stack answers.
  func expect(_ lines: [String]) throws {
    try (lines.joined(separator: "\n") + "\n").write(toFile: expectationPath, atomically: true, encoding: .utf8)
  }

  // MARK: What was recorded

  /// The frames of the capture.
  func frames() throws -> [SessionFrame] {
    var reader = try CaptureReader(path: capturePath)
    var frames: [SessionFrame] = []
    var start: Int64?
    while let record = try reader.next() {
      let bytes = reader.bytes
      let time = Interval(nanoseconds: record.time - (start ?? record.time))
      start = start ?? record.time
      let isFromGuest = bytes.count >= 14 && !Self.isNetworks(MACAddress(bytes, at: 6))
      frames.append(SessionFrame(at: time, isFromGuest: isFromGuest, bytes.indices.map { bytes[$0] }))
    }
    return frames
  }

  /// Whether a hardware address is one of the network's, Culvert's or libslirp's: 52:55 or 52:56 and four bytes of an
  /// address behind it.
  private static func isNetworks(_ station: MACAddress) -> Bool { [0x5255, 0x5256].contains(station.bits >> 32) }

  /// What the guest's side of the session makes the stack do.
  func replay() throws -> SessionReplay {
    let network = try network()
    let forwards = try network.forwards.flatMap(\.ports).map {
      try $0.portForward(firstLease: network.ipv4?.firstLease)
    }
    return try SessionReplay(frames(), settings: NetworkSettings(network), forwards: forwards)
  }

  /// The network, by the options in the session's `.network`, in the words of QEMU's `-netdev user`; without such a file
  /// the default one.
  private func network() throws -> VirtualNetwork {
    let path = file(".network").path()
    guard FileManager.default.fileExists(atPath: path) else { return try VirtualNetwork(NetworkOptions()) }
    let words = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").joined(separator: ",")
    return try VirtualNetwork(NetworkOptions(user: words))
  }
}
