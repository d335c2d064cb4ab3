import ArgumentParser
import Bridge
import Capture
import Configuration
import Glibc
import LinuxSystem
import Runtime

// The command line's edge: every end of the program and its status is decided here.
// 0 a regular end, 1 something could not be done, 2 a wrong command line, 3 somebody else's rules in a bridge's way; `run`
// ends with its command's status.

do {
  // Memory is at its highest while the program starts: each step gives back the code that only it has needed, that of
  // the dynamic linker's relocations before all.
  ProcessControl.releaseCode()
  var command = try Culvert.parseAsRoot()
  ProcessControl.releaseCode()
  try command.run()
} catch let error as ServiceError {
  tell(error)
  exit(error.isObstruction ? 3 : 1)
} catch let error as ConfigurationError {
  tell(error)
  exit(1)
} catch let error as BridgeError {
  tell(error)
  exit(error.isObstruction ? 3 : 1)
} catch let error as CaptureError {
  tell(error)
  exit(1)
} catch {
  let code = Culvert.exitCode(for: error)
  let message = Culvert.fullMessage(for: error)
  if !message.isEmpty { (code.isSuccess ? StandardStream.output : .error).write(message + "\n") }
  exit(code == .validationFailure ? 2 : code.rawValue)
}

/// Says what has gone wrong, in one line, or some where there is much to do about it.
func tell(_ error: some CustomStringConvertible) {
  StandardStream.error.write(error.description.split(separator: "\n").map { "culvert: \($0)\n" }.joined())
}
