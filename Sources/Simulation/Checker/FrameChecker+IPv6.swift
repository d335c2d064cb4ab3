import Netstack
import Primitives

// What an IPv6 packet of the stack's must be (RFC 8200, RFC 4861).
extension FrameChecker {
  mutating func check(_ packet: PlainIPv6, in frame: PlainFrame, length: Int) -> [String] {
    var faults: [String] = []
    if packet.hopLimit == 0 { faults.append("hop limit 0") }
    if !packet.extensions.isEmpty { faults.append("IPv6 extension headers") }
    var stations = [settings.ipv6GatewayMAC, NetworkSettings.hardwareAddress(of: settings.ipv6Resolver)]
    if isService(IPAddress(packet.source)) { stations.append(NetworkSettings.hardwareAddress(of: packet.source)) }
    if !stations.contains(frame.source) {
      faults.append("a packet from the hardware address \(frame.source)")
    }
    if !mayBeSource(packet.source) { faults.append("a packet from \(packet.source)") }
    faults += checkDestination(packet, in: frame)
    if length > knownMTU[frame.destination] ?? 1500 {
      faults.append("\(length) bytes to a guest that takes \(knownMTU[frame.destination] ?? 1500)")
    }
    if packet.isFragment { return faults + checkFragment(packet) }
    if case .icmp(let message) = packet.payload, (133...136).contains(message.type) {
      return faults + check(message, in: packet, frame)
    }
    if packet.destination.isMulticast { faults.append("a packet to the group \(packet.destination)") }
    return faults
      + checkPayload(
        packet.payload, packet.proto, from: IPAddress(packet.source), to: IPAddress(packet.destination))
  }

  private func mayBeSource(_ address: IPv6Address) -> Bool {
    if [settings.ipv6Gateway, settings.ipv6Resolver, settings.ipv6LinkLocal].contains(address) { return true }
    if isService(IPAddress(address)) { return true }
    return !settings.ipv6Prefix.contains(address) && !address.isLinkLocal && !address.isMulticast
      && !address.isMapped && !address.isCompatible
  }

  private func checkDestination(_ packet: PlainIPv6, in frame: PlainFrame) -> [String] {
    if packet.destination.isMulticast {
      return frame.destination == packet.destination.groupStation
        ? [] : ["a packet for the group \(packet.destination) in a frame to \(frame.destination)"]
    }
    guard settings.ipv6Prefix.contains(packet.destination) || packet.destination.isLinkLocal else {
      return ["a packet to \(packet.destination), which is no guest's address"]
    }
    if isStation(frame.destination, of: IPAddress(packet.destination)) { return [] }
    guard let station = stations[IPAddress(packet.destination)] else {
      return ["a packet to \(packet.destination), never heard of"]
    }
    return ["a packet for \(station) in a frame to \(frame.destination)"]
  }

  /// RFC 4861 section 4: what a router may say, and how.
  private func check(_ icmp: PlainICMP, in packet: PlainIPv6, _ frame: PlainFrame) -> [String] {
    var faults: [String] = []
    if packet.hopLimit != 255 { faults.append("neighbor discovery with hop limit \(packet.hopLimit)") }
    if icmp.code != 0 { faults.append("neighbor discovery of code \(icmp.code)") }
    do throws(PacketFault) {
      guard let message = try PlainDiscovery(icmp) else { return faults }
      if let station = message.linkLayer(1) ?? message.linkLayer(2), station != frame.source {
        faults.append("neighbor discovery tells of \(station) in a frame of \(frame.source)")
      }
      switch message.type {
      case 134:
        if packet.source != settings.ipv6LinkLocal { faults.append("a router advertisement from \(packet.source)") }
      case 135:
        // RFC 4861 sections 7.2.2 and 7.3.3: to the target's group, or to the target itself.
        if packet.destination != message.target?.solicitedGroup && packet.destination != message.target {
          faults.append("a solicitation to \(packet.destination)")
        }
        if message.linkLayer(1) == nil { faults.append("a solicitation without a hardware address") }
      case 136:
        if message.target != packet.source { faults.append("an advertisement for another's address") }
        if message.linkLayer(2) == nil { faults.append("an advertisement without a hardware address") }
        let isSolicited = message.rest & 0x4000_0000 != 0
        if isSolicited == packet.destination.isMulticast { faults.append("the solicited flag is wrong") }
      default: faults.append("a router that solicits routers")
      }
    } catch {
      faults.append(error.description)
    }
    return faults
  }

  /// RFC 8200 section 4.5: fragments fit together to the whole packet, whose content is then checked.
  private mutating func checkFragment(_ packet: PlainIPv6) -> [String] {
    guard case .raw(let bytes) = packet.payload, let fragment = packet.fragment else { return [] }
    if fragment.moreFragments && bytes.count % 8 != 0 { return ["a fragment of \(bytes.count) bytes before another"] }
    let key = FragmentKey(
      source: IPAddress(packet.source), destination: IPAddress(packet.destination),
      identification: fragment.identification, proto: 0)
    fragmentsV6[key, default: []].append(packet)
    let parts = fragmentsV6[key, default: []]
    guard let joined = joinFragments(parts) else { return [] }
    fragmentsV6[key] = nil
    do throws(PacketFault) {
      let whole = try PlainIPv6(decoding: joined.encoded)
      return checkPayload(whole.payload, whole.proto, from: key.source, to: key.destination)
    } catch {
      return ["put together from \(parts.count) fragments: \(error)"]
    }
  }
}

/// The packet that `parts` make, nil while one is missing.
func joinFragments(_ parts: [PlainIPv6]) -> PlainIPv6? {
  var bytes: [UInt8] = []
  let sorted = parts.sorted { ($0.fragment?.offset ?? 0) < ($1.fragment?.offset ?? 0) }
  for part in sorted {
    guard case .raw(let more) = part.payload, let offset = part.fragment?.offset, offset <= bytes.count else {
      return nil
    }
    bytes = Array(bytes[..<offset]) + more
  }
  guard let last = sorted.last, last.fragment?.moreFragments == false, let first = sorted.first else { return nil }
  var whole = PlainIPv6(from: last.source, to: last.destination, .raw(bytes), proto: first.proto)
  whole.hopLimit = first.hopLimit
  return whole
}
