import ArgumentParser
import Configuration
import LinuxSystem
import Runtime
import Simulation

/// How fast a replay goes.
enum ReplaySpeed: Hashable, ExpressibleByArgument {
  /// So many times as fast as it was.
  case times(Double)
  /// Without waiting.
  case maximum

  init?(argument: String) {
    switch argument {
    case "real": self = .times(1)
    case "max": self = .maximum
    default:
      guard let times = Double(argument), times >= 0.001, times <= 1_000_000 else { return nil }
      self = .times(times)
    }
  }
}

/// What those do whom the guest of a replay speaks to, as it is written.
enum ReplayWorld: Hashable, ExpressibleByArgument {
  case recorded
  case echo
  case discard
  case refuse
  case blackhole
  /// What a file says.
  case script(path: String)

  init?(argument: String) {
    switch argument {
    case "recorded": self = .recorded
    case "echo": self = .echo
    case "discard": self = .discard
    case "refuse": self = .refuse
    case "blackhole": self = .blackhole
    default:
      guard argument.hasPrefix("script:"), argument != "script:" else { return nil }
      self = .script(path: String(argument.dropFirst(7)))
    }
  }

  private static var longestScript: Int { 1 << 20 }

  /// What it means; reads the script.
  var behavior: ReplayBehavior {
    get throws(ConfigurationError) {
      switch self {
      case .recorded: return .recorded
      case .echo: return .echo
      case .discard: return .discard
      case .refuse: return .refuse
      case .blackhole: return .blackhole
      case .script(let path):
        let text: String
        do throws(SystemError) {
          text = try FileDescriptor.contents(of: path, limit: Self.longestScript)
        } catch {
          throw ConfigurationError(path, error.reason)
        }
        guard text.utf8.count < Self.longestScript else {
          throw ConfigurationError(path, "no script is longer than \(Self.longestScript) bytes")
        }
        do throws(ReplayScriptError) {
          return try ReplayBehavior(script: text)
        } catch {
          throw ConfigurationError(path, error.description)
        }
      }
    }
  }
}
