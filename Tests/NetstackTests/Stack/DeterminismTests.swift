import Foundation
import Simulation
import Testing

/// The same inputs give the same output, byte for byte, in any process.
@Suite struct DeterminismTests {
  @Test(arguments: Scenario.all.indices)
  func `no scenario breaks a rule`(index: Int) {
    let result = Scenario.all[index].run()
    #expect(result.problems.isEmpty, "\(Scenario.all[index].name): \(result.problems.joined(separator: "\n"))")
    #expect(result.frameCount > 50)
  }

  @Test func `two runs in one process send the same bytes`() {
    for scenario in Scenario.all { #expect(scenario.run().digest == scenario.run().digest, "\(scenario.name)") }
  }

  /// Hashed collections have another order in each process: whoever iterates one is found out here.
  @Test func `two processes send the same bytes`() throws {
    let first = try runScenarios()
    let second = try runScenarios()
    #expect(first == second)
    #expect(first.split(separator: "\n").count == Scenario.all.count)
    let here = Scenario.all.map { String($0.run().digest, radix: 16) }
    #expect(first.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) } == here)
  }

  /// What the program that runs the scenarios prints; it is built beside the tests.
  private func runScenarios() throws -> String {
    let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let program = URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent("LabScenarios")
    try #require(FileManager.default.isExecutableFile(atPath: program.path), "no program at \(program.path)")
    let process = Process()
    process.executableURL = program
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return String(decoding: bytes, as: UTF8.self)
  }
}
