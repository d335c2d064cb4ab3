import FoundationEssentials
import LinuxSystem
package import Netstack
package import Primitives

/// The file that keeps a network's DHCP leases from one run to the next (`--lease-file`).
///
/// It is written whole, in the place of the one before, when a lease has changed: at once, but not twice within a
/// second. `Sources/README.md` has its format.
package struct LeaseFile {
  /// Where it is.
  let path: String
  /// When it is to be written; `.never` while it holds what there is.
  private(set) var due = Instant.never
  private var revision: Int
  private var lastWrite: Instant?
  private var hasFailed = false

  /// The least time between two writes.
  static var pause: Interval { .seconds(1) }
  /// The most that is read, in bytes.
  private static var longestFile: Int { 1 << 20 }

  /// Makes a file that holds the leases of `revision`.
  init(path: String, revision: Int = 0) {
    self.path = path
    self.revision = revision
  }

  /// Whether something is still to be written, be it once more.
  var isBehind: Bool { due != .never || hasFailed }

  /// Takes notice of the leases' revision.
  mutating func note(_ revision: Int, at now: Instant) {
    guard revision != self.revision else { return }
    self.revision = revision
    due = max(now, lastWrite.map { $0 + Self.pause } ?? now)
  }

  /// Writes leases. Where that fails, the next change of theirs is the next occasion.
  mutating func write(_ leases: [DHCPLease], at now: Instant) throws(SystemError) {
    (due, lastWrite) = (.never, now)
    let hadFailed = hasFailed
    hasFailed = true
    do throws(SystemError) {
      try FileSystem.replace(path, with: Self.text(of: leases, at: now, wallClock: WallClock.seconds), mode: 0o600)
    } catch {
      // Said once, not with each of the attempts that follow.
      guard !hadFailed else { return }
      throw error
    }
    hasFailed = false
  }

  /// The leases in the file; none where there is no file.
  func read(at now: Instant) throws(ServiceError) -> [DHCPLease] {
    let text: String?
    do throws(SystemError) {
      let isFile = try FileIdentity(path: path).isRegularFile
      text = isFile ? try FileDescriptor.contents(of: path, limit: Self.longestFile) : nil
    } catch {
      guard !error.isNotFound else { return [] }
      throw ServiceError("lease-file '\(path)': \(error.reason)")
    }
    guard let text else { throw ServiceError("lease-file '\(path)': it is not an ordinary file; give another path") }
    return try Self.leases(in: text, path: path, at: now, wallClock: WallClock.seconds)
  }
}

// MARK: The format

extension LeaseFile {
  private struct Header: Codable {
    var format = "culvert-leases"
    var version = 1
  }

  private struct Line: Codable {
    enum Family: String, Codable { case ipv4, ipv6 }
    var family: Family
    var address: String
    var hardware: String
    var hostname: String?
    /// In seconds since 1970.
    var end: Int64
  }

  /// The last second of the year 9999: nobody's lease lasts longer.
  private static var latestEnd: Int64 { 253_402_300_799 }

  /// The text of the file; `now` and `wallClock` are the same moment.
  package static func text(of leases: [DHCPLease], at now: Instant, wallClock: Int64) -> String {
    let lines = leases.map { lease in
      // The next whole second, of one that has ended as well: a division cuts towards zero.
      let left = (lease.expiry - now).nanoseconds
      let seconds = (left > 0 ? left + 999_999_999 : left) / 1_000_000_000
      return ControlJSON.text(
        Line(
          family: lease.address.family == .ipv4 ? .ipv4 : .ipv6, address: lease.address.description,
          hardware: lease.hardware.description, hostname: lease.hostname.isEmpty ? nil : lease.hostname,
          end: wallClock + seconds))
    }
    return ([ControlJSON.text(Header())] + lines).map { $0 + "\n" }.joined()
  }

  /// The leases in the file's text. One that is empty has none.
  package static func leases(
    in text: String, path: String, at now: Instant, wallClock: Int64
  ) throws(ServiceError) -> [DHCPLease] {
    var leases: [DHCPLease] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      func broken(_ reason: String) -> ServiceError {
        ServiceError("lease-file '\(path)': line \(index + 1): \(reason); remove the file to begin without leases")
      }
      if index == 0, !text.isEmpty {
        guard let header = decode(Header.self, line), header.format == Header().format else {
          throw broken("this is not a file of leases")
        }
        guard header.version == Header().version else { throw broken("version \(header.version) is not known here") }
      } else if !line.isEmpty {
        guard let lease = lease(line, at: now, wallClock: wallClock) else { throw broken("this is not a lease") }
        leases.append(lease)
      }
    }
    return leases
  }

  private static func lease(_ line: Substring, at now: Instant, wallClock: Int64) -> DHCPLease? {
    guard let line = decode(Line.self, line), let address = IPAddress(line.address),
      let hardware = MACAddress(line.hardware), hardware.isUnicast, (0...latestEnd).contains(line.end),
      (address.family == .ipv4) == (line.family == .ipv4)
    else { return nil }
    // No more than nanoseconds can count; a lease is much shorter.
    let left = min(line.end - wallClock, 1 << 32)
    return DHCPLease(
      address: address, hardware: hardware, hostname: line.hostname ?? "", expiry: now + .seconds(left))
  }

  /// Reads a line of JSON; nil where it is something else. Why does not help whoever is to remove the file.
  private static func decode<Value: Decodable>(_ type: Value.Type, _ line: Substring) -> Value? {
    do { return try JSONDecoder().decode(type, from: Data(line.utf8)) } catch { return nil }
  }
}
