internal import Primitives

extension IPv4Address {
  /// Parses the forms that QEMU takes, which are those of `inet_aton`: one to four parts, each decimal, octal (`0`) or
  /// hexadecimal (`0x`), the last of which fills the bytes that are left.
  init?(inetAton text: some StringProtocol) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard (1...4).contains(parts.count) else { return nil }
    var bits: UInt32 = 0
    for (index, part) in parts.enumerated() {
      guard let value = UInt32(anyBase: part) else { return nil }
      guard index == parts.count - 1 else {
        guard value <= 255 else { return nil }
        bits |= value << UInt32(24 - 8 * index)
        continue
      }
      guard UInt64(value) < 1 << UInt64(32 - 8 * index) else { return nil }
      bits |= value
    }
    self.init(bits: bits)
  }
}

extension UInt32 {
  /// Parses digits as C does with base 0: `0x` makes them hexadecimal, a leading `0` octal.
  init?(anyBase text: some StringProtocol) {
    let digits: Substring
    let radix: Int
    if text.hasPrefix("0x") || text.hasPrefix("0X") {
      (digits, radix) = (Substring(text.dropFirst(2)), 16)
    } else if text.utf8.count > 1, text.hasPrefix("0") {
      (digits, radix) = (Substring(text.dropFirst()), 8)
    } else {
      (digits, radix) = (Substring(text), 10)
    }
    guard let first = digits.first, first != "+", first != "-" else { return nil }
    self.init(digits, radix: radix)
  }
}

extension UInt16 {
  /// Parses a port number: decimal digits only.
  init?(port text: some StringProtocol) {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    self.init(text)
  }
}

extension Endpoint {
  /// Parses `HOST:PORT`, where the host is an address, an IPv6 address in brackets, or `localhost`.
  init?(hostAndPort text: String) {
    let address = text.hasPrefix("localhost:") ? "127.0.0.1" + text.dropFirst(9) : text
    guard let endpoint = Endpoint(address, defaultPort: 0), endpoint.port > 0 else { return nil }
    self = endpoint
  }

  /// Parses `ADDRESS` or `ADDRESS:PORT`; an IPv6 address with a port stands in brackets.
  init?(_ text: String, defaultPort: UInt16) {
    if let address = IPAddress(text) {
      self.init(address, port: defaultPort)
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(port: text[text.index(after: colon)...]) else {
      guard text.hasPrefix("["), text.hasSuffix("]") else { return nil }
      guard let address = IPv6Address(text.dropFirst().dropLast()) else { return nil }
      self.init(IPAddress(address), port: defaultPort)
      return
    }
    let host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      guard let address = IPv6Address(host.dropFirst().dropLast()) else { return nil }
      self.init(IPAddress(address), port: port)
    } else {
      guard let address = IPv4Address(host) else { return nil }
      self.init(address, port: port)
    }
  }
}
