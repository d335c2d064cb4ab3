import Configuration
import LinuxSystem
import Logging
import Netstack
import Primitives
import Recording

/// A configuration file, and what was last taken over of it and the options beside it.
struct ReloadableConfiguration: Sendable {
  /// What a network with these options is at last.
  private(set) var network: VirtualNetwork
  /// The sockets that no forward may take.
  var ownSockets = OwnSockets()
  private let options: ServiceOptions
  private let attachment: QEMUAttachment?
  private let index: Int

  /// The configuration of the network `index` of an attachment, or of the only one; nil where no file is part of it.
  init?(_ options: ServiceOptions, _ attachment: QEMUAttachment?, _ index: Int, network: VirtualNetwork) {
    guard options.configurationFile != nil else { return nil }
    (self.options, self.attachment, self.index, self.network) = (options, attachment, index, network)
  }

  /// What the network would be by the file as it is now, whose forwards take none of the instance's own sockets.
  func read() throws(ServiceError) -> VirtualNetwork {
    try ServiceError.wrapping {
      let network = try options.reloaded().serving(attachment, index).checkedNetwork
      for forward in network.forwards { try ownSockets.check(forward) }
      return network
    }
  }

  /// Notes what was taken over of `new`, and returns the names of the settings that were not.
  mutating func take(_ new: VirtualNetwork) -> [String] {
    network.forwards = new.forwards
    network.ipv4?.staticLeases = new.ipv4?.staticLeases ?? []
    network.hostNames = new.hostNames
    return network.namesOfSettings(unlike: new)
  }
}

/// Other forwards for a network: all loops end those of theirs that are no longer wanted before any begins one, since
/// one may take another's port.
struct ForwardReplacement: Equatable, Sendable {
  enum Step { case remove, add }

  /// To be ended where they are.
  var unwanted: [PortForward] = []
  /// To be begun where they are not.
  var wanted: [PortForward] = []
  var step = Step.remove
}

extension ServiceOptions {
  /// These options with the configuration file as it is now.
  func reloaded() throws(ConfigurationError) -> ServiceOptions {
    guard let configurationFile else { return self }
    var options = self
    options.network = try ConfigurationFile(path: configurationFile).network.overlaid(by: commandLineNetwork)
    return options
  }
}

extension NetworkLoop where Host: ~Copyable {
  /// Reads the configuration file again and takes over its forwards, static leases and names. Flows go on; of what else
  /// has changed the log says that it has not been taken over, and so it does of a file that cannot be.
  mutating func reloadConfiguration() {
    guard var configuration else { return }
    ServiceManager.tell("RELOADING=1\nMONOTONIC_USEC=\(now.nanoseconds / 1000)", logger)
    defer { ServiceManager.tell("READY=1", logger) }
    let (old, new): (VirtualNetwork, VirtualNetwork)
    do throws(ServiceError) {
      (old, new) = (configuration.network, try configuration.read())
    } catch {
      return logger.error("\(error); nothing has been changed")
    }
    replaceForwards(old.forwards.flatMap(\.ports), by: new.forwards.flatMap(\.ports), new.ipv4?.firstLease)
    if let leases = new.ipv4?.staticLeases, leases != old.ipv4?.staticLeases {
      replaceStaticLeases(by: leases.map { StaticLease($0) })
    }
    if new.hostNames != old.hostNames { change(.setLocalNames(new.hostNames.map { LocalName($0) })) }
    let others = configuration.take(new)
    self.configuration = configuration
    if !others.isEmpty { logger.warning("not changed before a restart: \(others.joined(separator: ", "))") }
    logger.notice("the configuration has been read again")
  }

  private mutating func replaceForwards(_ old: [HostForward], by new: [HostForward], _ firstLease: IPv4Address?) {
    do throws(ServiceError) {
      var replacement = ForwardReplacement()
      for forward in old where !new.contains(forward) {
        replacement.unwanted.append(try forward.portForward(firstLease: firstLease))
      }
      for forward in new { replacement.wanted.append(try forward.portForward(firstLease: firstLease)) }
      carryOut(replacement)
    } catch {
      logger.error("\(error)")
    }
  }

  /// Carries out what is this loop's part in a step of a replacement, and passes that on: from loop to loop, and then
  /// the next step.
  mutating func carryOut(_ replacement: ForwardReplacement) {
    let (own, count) = (stack.core.steering.loop, directory.mailboxes.count)
    var existing: Set<PortForward> = []
    stack.core.forEachForward { existing.insert($0) }
    switch replacement.step {
    case .remove:
      for forward in replacement.unwanted where existing.contains(forward) { change(.removeForward(forward.host)) }
    case .add:
      for forward in replacement.wanted where directory.owner(of: forward) == own && !existing.contains(forward) {
        change(.addForward(forward))
      }
    }
    var next = replacement
    if own + 1 == count { next.step = .add }
    guard own + 1 < count || replacement.step == .remove else { return }
    guard count > 1 else { return carryOut(next) }
    directory.mailboxes[(own + 1) % count].send(.replaceForwards(next))
  }

  /// Keeps other addresses for guests, but for those that somebody was given as this began.
  private mutating func replaceStaticLeases(by leases: [StaticLease]) {
    for lease in leases where stack.core.isAssignedElsewhere(lease) {
      logger.error("the lease of \(lease.address) to \(lease.hardware) was left out: a namespace has the address")
    }
    change(.setStaticLeases(leases.filter { !stack.core.isAssignedElsewhere($0) }))
  }

  /// Carries out a command, of which the log tells.
  private mutating func change(_ command: Command) {
    do throws(CommandError) {
      try stack.apply(command, at: now, into: &links)
      logger.info("\(command.words)")
    } catch {
      logger.error("\(error.words)")
    }
  }
}
