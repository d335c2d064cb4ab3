import Netstack
import Primitives

// What an operator asks of the core, as recordings have it.

extension PortForward: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let place = try decoder.value(ListeningPlace.self)
    self.init(from: place, to: try decoder.value())
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(host)
    encoder.put(guest)
  }
}

extension LocalName: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let name = try decoder.value(String.self)
    self.init(name: name, address: try decoder.value())
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(name)
    encoder.put(address)
  }
}

extension StaticLease: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let hardware = try decoder.value(MACAddress.self)
    let address = try decoder.value(IPv4Address.self)
    self.init(hardware: hardware, address: address, hostname: try decoder.value())
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(hardware)
    encoder.put(address)
    encoder.put(hostname)
  }
}

extension DHCPLease: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    let address = try decoder.value(IPAddress.self)
    let hardware = try decoder.value(MACAddress.self)
    let hostname = try decoder.value(String.self)
    self.init(address: address, hardware: hardware, hostname: hostname, expiry: try decoder.value())
  }

  func encode(to encoder: inout RecordEncoder) {
    encoder.put(address)
    encoder.put(hardware)
    encoder.put(hostname)
    encoder.put(expiry)
  }
}

extension Command: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.byte() {
    case 0: self = .addForward(try decoder.value())
    case 1: self = .removeForward(try decoder.value())
    case 2: self = .setResolvers(try decoder.value())
    case 3: self = .setLocalNames(try decoder.value())
    case 4: self = .setStaticLeases(try decoder.value())
    case 5: self = .assignAddresses(to: try decoder.value())
    case 6: self = .restoreLease(try decoder.value())
    default: throw .damaged
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .addForward(let forward):
      encoder.put(byte: 0)
      encoder.put(forward)
    case .removeForward(let place):
      encoder.put(byte: 1)
      encoder.put(place)
    case .setResolvers(let servers):
      encoder.put(byte: 2)
      encoder.put(servers)
    case .setLocalNames(let names):
      encoder.put(byte: 3)
      encoder.put(names)
    case .setStaticLeases(let leases):
      encoder.put(byte: 4)
      encoder.put(leases)
    case .assignAddresses(let hardware):
      encoder.put(byte: 5)
      encoder.put(hardware)
    case .restoreLease(let lease):
      encoder.put(byte: 6)
      encoder.put(lease)
    }
  }
}

/// What came of a command.
enum CommandOutcome: Hashable {
  case done
  case cannotListen(HostError)
  case noSuchForward
  case leaseRefused(DHCPLease.Refusal)
  case noAddress(IPAddress.Family)
  case tableFull

  init(_ error: CommandError) {
    switch error {
    case .cannotListen(_, let error): self = .cannotListen(error)
    case .noSuchForward: self = .noSuchForward
    case .leaseRefused(_, let refusal): self = .leaseRefused(refusal)
    case .noAddress(let family): self = .noAddress(family)
    case .tableFull: self = .tableFull
    }
  }
}

extension CommandOutcome: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.byte() {
    case 0: self = .done
    case 1: self = .cannotListen(try decoder.value())
    case 2: self = .noSuchForward
    case 3: self = .leaseRefused(try decoder.value())
    case 4: self = .noAddress(try decoder.value())
    case 5: self = .tableFull
    default: throw .damaged
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .done: encoder.put(byte: 0)
    case .cannotListen(let error):
      encoder.put(byte: 1)
      encoder.put(error)
    case .noSuchForward: encoder.put(byte: 2)
    case .leaseRefused(let refusal):
      encoder.put(byte: 3)
      encoder.put(refusal)
    case .noAddress(let family):
      encoder.put(byte: 4)
      encoder.put(family)
    case .tableFull: encoder.put(byte: 5)
    }
  }
}

extension DHCPLease.Refusal: RecordedValue {
  init(from decoder: inout RecordDecoder) throws(RecordingError) {
    switch try decoder.byte() {
    case 0: self = .ended
    case 1: self = .notGivenOut
    case 2: self = .reserved
    case 3: self = .taken
    default: throw .damaged
    }
  }

  func encode(to encoder: inout RecordEncoder) {
    switch self {
    case .ended: encoder.put(byte: 0)
    case .notGivenOut: encoder.put(byte: 1)
    case .reserved: encoder.put(byte: 2)
    case .taken: encoder.put(byte: 3)
    }
  }
}
