public import Nftables

/// Why the packet filter was not changed. The description is one line for an operator.
public enum FirewallError: Error, Hashable, Sendable {
  /// An interface's name that no rule can name.
  case unusableName(String)
  /// There is no chain that the text names, or none in which a packet to or from the bridge would be asked.
  case noSuchChain(String)
  /// The chain's table belongs to the process that made it, and nobody else may change it.
  case ownedTable(ChainName)
  /// The library or the kernel refused.
  case filter(NftablesError)
}

extension FirewallError: CustomStringConvertible {
  /// What was tried, on what, and what to do.
  public var description: String {
    switch self {
    case .unusableName(let name):
      "the packet filter has no rule for an interface called '\(name)': give it a name of letters, digits, '-', '_', '.'"
    case .noSuchChain(let text):
      "allow-in '\(text)': the packet filter has no such chain for what is forwarded or comes in; 'nft list chains' names them"
    case .ownedTable(let chain):
      "allow-in '\(chain)': the table belongs to the program that made it, which must be told itself what to allow"
    case .filter(let error): error.description
    }
  }
}
