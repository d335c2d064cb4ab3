import BasicContainers
import Buffers
import Configuration
import HostSockets
import Links
import LinuxSystem
import Netstack
import Primitives
import RouteNetlink

extension Setup {
  /// Opens queue `queue` of the links of the network, link `n` on port `n`; the first queue makes what is to be made. The
  /// interfaces of namespaces have no addresses yet; `helpers` are the processes that give them some.
  func openLinks(
    _ addresses: [LinkAddress], queue: Int, registrar: EventRegistrar, _ helpers: inout UniqueArray<NamespaceChild>
  ) throws -> LinkSet {
    var links = LinkSet(first: try open(addresses[0], port: 0, queue, registrar, &helpers))
    for port in addresses.indices.dropFirst() {
      links.append(try open(addresses[port], port: port, queue, registrar, &helpers))
    }
    return links
  }

  private func open(
    _ address: LinkAddress, port number: Int, _ queue: Int, _ registrar: EventRegistrar,
    _ helpers: inout UniqueArray<NamespaceChild>
  ) throws -> Link {
    let (port, now) = (PortID(rawValue: UInt16(number)), MonotonicClock.now)
    switch address {
    case .descriptor(let number) where TAPDevice.isDevice(number):
      return Link(try inherited(number), port: port, registrar: registrar, at: now)
    case .device(let name):
      return Link(try queue == 0 ? openDevice(name) : open(name), port: port, registrar: registrar, at: now)
    case .namespace(let place, let interface):
      if queue == 0 { helpers.append(try startHelper(interface, in: place, port: number)) }
      return Link(try takeDevice(&helpers, port: number), port: port, registrar: registrar, at: now)
    case .listenUnix, .listenTCP, .connectUnix, .connectTCP, .descriptor:
      guard let endpoint = StreamEndpoint(address) else { preconditionFailure("no stream: \(address)") }
      return try Link(endpoint, port: port, registrar: registrar, at: now)
    }
  }

  private func inherited(_ number: Int32) throws -> TAPDevice {
    do throws(SystemError) {
      return try TAPDevice(attached: FileDescriptor(owning: number), offloads: .init(options.offload))
    } catch {
      throw ServiceError("cannot use fd:\(number): \(error.reason); it must be of a TAP device with IFF_NO_PI")
    }
  }

  // MARK: A device of this namespace

  /// Opens the device `name`, or makes it and brings it up.
  private func openDevice(_ name: String) throws -> TAPDevice {
    var routes = try RouteSocket()
    let found = try routes.interface(named: name)
    let device: TAPDevice
    do throws(SystemError) {
      device = try open(name)
    } catch  where error.isBusy {
      throw ServiceError("tap:\(name) is held by another process; stop that, or give another name")
    } catch  where error.subject == TAPDevice.path {
      throw ServiceError("cannot use tap:\(name): \(NamespaceAdvice.words(forDevice: error))")
    } catch  where error.isInvalid && found != nil && options.queues > 1 {
      throw ServiceError(
        "tap:\(name) was made with one queue; leave --queues out, or make it by "
          + "'ip tuntap add \(name) mode tap multi_queue'")
    } catch {
      throw ServiceError("cannot use tap:\(name): \(error.reason); \(Self.advice(for: name, exists: found != nil))")
    }
    if found == nil { try routes.apply(InterfaceSettings(name: name, mtu: network.mtu)) }
    return device
  }

  /// Opens a device, or another queue of one that is open already.
  private func open(_ name: String) throws(SystemError) -> TAPDevice {
    let (usesHeader, offloads) = (options.offload != .none, TAPDevice.Offloads(options.offload))
    do throws(SystemError) {
      return try TAPDevice(name: name, isMultiQueue: options.queues > 1, usesHeader: usesHeader, offloads: offloads)
    } catch  where error.isInvalid && options.queues == 1 {
      // One that was made for several queues is opened only as such.
      return try TAPDevice(name: name, isMultiQueue: true, usesHeader: usesHeader, offloads: offloads)
    }
  }

  private static func advice(for name: String, exists: Bool) -> String {
    exists
      ? "a TAP device for this user is made by 'ip tuntap add \(name) mode tap user NAME', as root"
      : "root makes it by 'ip tuntap add \(name) mode tap user NAME'; in a namespace of their own all may"
  }

  // MARK: A device of another namespace

  /// Has a device be made in another namespace.
  private func startHelper(
    _ name: String, in place: NamespacePlace, port: Int
  ) throws -> NamespaceChild {
    if case .name(let name) = place, !FileSystem.exists(place.path) {
      throw ServiceError(
        "there is no network namespace '\(name)', which would be \(place.path); "
          + "give a process's number, a name of 'ip netns list', or a path with a '/' in it")
    }
    var request = NamespaceRequest(interface: interface(named: name), queues: options.queues)
    request.target = place.path
    return try NamespaceChild(request, port: port)
  }

  /// Takes the next queue of the device of a port over from its helper.
  private func takeDevice(_ helpers: inout UniqueArray<NamespaceChild>, port: Int) throws -> TAPDevice {
    for index in 0..<helpers.count where helpers[index].port == port {
      return try TAPDevice(attached: helpers[index].takeDevice(), offloads: .init(options.offload))
    }
    preconditionFailure("no helper was started for port \(port)")
  }

  /// What a namespace's interface is given, but for its addresses: the gateway in each family.
  private func interface(named name: String) -> InterfaceSettings {
    InterfaceSettings(
      name: name, mtu: network.mtu,
      gateways: [network.ipv4.map { IPAddress($0.gateway) }, network.ipv6.map { IPAddress($0.gateway) }]
        .compactMap { $0 })
  }

  /// Gives a namespace's interface the addresses that DHCP would give out next, which are its own from now on.
  func configure(_ helper: inout NamespaceChild, on loop: inout NetworkLoop<KernelSockets>) throws {
    guard let hardware = helper.hardware else { preconditionFailure("the device was not taken") }
    let addresses = try loop.assignAddresses(to: hardware)
    try helper.configure(
      addresses.map { address in
        let length = address.family == .ipv4 ? network.ipv4?.prefix.length : network.ipv6?.prefix.length
        return InterfaceAddress(address, prefixLength: length ?? 0)
      })
  }

  /// What a helper is asked for that starts `command` in a new namespace.
  func namespaceRequest(for command: [String]) -> NamespaceRequest {
    var request = NamespaceRequest(
      interface: interface(named: LinkAddress.defaultInterface), queues: options.queues)
    request.nameServers = [network.ipv4.map { IPAddress($0.resolver) }, network.ipv6.map { IPAddress($0.resolver) }]
      .compactMap { $0 }
    request.searchDomains = network.resolverDomains
    request.command = command
    return request
  }
}

extension TAPDevice.Offloads {
  /// What an option leaves to the kernel at most.
  init(_ option: OffloadOption) {
    switch option {
    case .all: self = .all
    case .tcp: self = .withoutUDP
    case .checksum: self = .checksum
    case .none: self = []
    }
  }
}

extension StreamEndpoint {
  /// The stream of an address, nil where it is that of a device.
  init?(_ address: LinkAddress) {
    switch address {
    case .listenUnix(let path): self = .unix(path: path)
    case .listenTCP(let endpoint): self = .tcp(endpoint)
    case .connectUnix(let path): self = .connectUnix(path: path)
    case .connectTCP(let endpoint): self = .connectTCP(endpoint)
    case .descriptor(let number): self = .descriptor(number)
    case .device, .namespace: return nil
    }
  }
}
