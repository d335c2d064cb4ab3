import LinuxSystem
import Primitives

/// Runs the server that the argument behind `load-server` describes: its port.
func runLoadServer(_ arguments: ArraySlice<String>) {
  guard arguments.count == 1, let port = arguments.first.flatMap({ UInt16($0) }), port < .max else {
    fatalExit("load-server takes a port, of which it serves the next too")
  }
  do {
    try LoadServer.run(port: port)
  } catch {
    fatalExit("the server ended: \(error)")
  }
}

/// Runs the client that the arguments behind `load` describe, and prints its figures as a line of JSON.
func runLoad(_ arguments: ArraySlice<String>) {
  let words = arguments.map { $0[...] }
  guard words.count > 2, let address = IPAddress(words[0]), let port = UInt16(words[1]), port < .max else {
    fatalExit("load takes the server's address and port, and a task")
  }
  do {
    print(try figures(of: Array(words[2...]), from: address, port))
  } catch {
    fatalExit("\(words[2...].joined(separator: " ")) with \(words[0]): \(error)")
  }
}

private func figures(of words: [Substring], from address: IPAddress, _ port: UInt16) throws -> String {
  if words.first == "connections", words.count == 3, let window = Int(words[1]), window > 0,
    let milliseconds = Int64(words[2])
  {
    var rate = try ConnectionRate(to: Endpoint(address, port: port + 1))
    return try rate.measure(window: window, for: .milliseconds(milliseconds))
  }
  guard let task = LoadTask(words) else { throw LoadError("there is no such task") }
  let channel = try LoadChannel(to: Endpoint(address, port: port))
  try channel.send(words.joined(separator: " "))
  return try task.run(as: .client, over: channel)
}
