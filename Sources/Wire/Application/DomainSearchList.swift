/// The value of the domain search option (RFC 3397): domain names in the form of RFC 1035, with its compression.
public struct DomainSearchList: Sendable {
  /// The names, each as labels that end with an empty one or with a pointer to an earlier suffix.
  public private(set) var bytes: [UInt8] = []
  /// Where the suffix that begins with each written label lies.
  private var suffixes: [(name: DNSName, offset: UInt16)] = []

  /// Makes an empty list.
  public init() {}

  /// Appends a name, a dot at its end allowed.
  /// - Returns: false, with nothing changed, where it is not a domain name or the list is too long for pointers.
  @discardableResult
  public mutating func append(_ name: String) -> Bool {
    guard let labels = DNSName.labels(of: name), bytes.count + name.utf8.count + 2 < 0x4000 else { return false }
    for index in labels.indices {
      let suffix = DNSName(labels: labels[index...])
      if let known = suffixes.first(where: { $0.name == suffix }) {
        // RFC 1035 section 4.1.4: two one bits, then the offset from the first byte of the list.
        bytes += [0xc0 | UInt8(known.offset >> 8), UInt8(known.offset & 0xff)]
        return true
      }
      suffixes.append((suffix, UInt16(bytes.count)))
      bytes.append(UInt8(labels[index].count))
      bytes += labels[index]
    }
    bytes.append(0)
    return true
  }

  /// Names without compression, one after another, for formats that know none (RFC 8106 section 5.2, RFC 8415 section
  /// 10). What is no domain name is left out, and what makes it more than `limit` bytes.
  public static func uncompressed(_ names: [String], limit: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for name in names {
      // A list of its own has nothing to point to.
      var list = DomainSearchList()
      guard list.append(name), bytes.count + list.bytes.count <= limit else { continue }
      bytes += list.bytes
    }
    return bytes
  }
}
