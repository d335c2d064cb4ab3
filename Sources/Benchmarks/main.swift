// The micro benchmark: nanoseconds and allocations for each frame that the stack forwards, on a simulated host, and
// how fast the checksum is.
//
// usage: Benchmarks [--check]
//        Benchmarks list
//        Benchmarks one NAME
//        Benchmarks pump TAP PATH
//        Benchmarks load-server PORT
//        Benchmarks load ADDRESS PORT TASK
//        Benchmarks path NEAR FAR MILLISECONDS
//
//   --check   end with status 1 if forwarding a frame allocates memory, or if an event costs half as much again among
//             100,000 idle flows as among 10
//   list      names what is measured, a line for each
//   one       measures this alone, for a profiler, and prints how many frames or events it counted
//   pump      measures nothing: joins the TAP device on descriptor TAP with the socket at PATH ('Scripts/bench flows')
//
// For 'Scripts/bench netns' and 'soak', the two ends of a load, and a path for it:
//   load-server   serves on PORT and the next
//   load          does one TASK with the server and prints its figures as JSON:
//                   datagrams up|down SIZE RATE MILLISECONDS      RATE datagrams a second
//                   requests COUNT                                of a byte by TCP, and their responses
//                   connections WINDOW MILLISECONDS               a byte each way on each, WINDOW at a time
//                   sequence up|down SEED BYTES                   by TCP, compared where they arrive; BYTES / 8 is whole
//   path          makes two TAP devices and passes frames between them, each held for MILLISECONDS
//
// The simulated host copies each byte once, as the kernel's sockets do; its time is part of the figures.

import Glibc

switch CommandLine.arguments.dropFirst().first {
case "pump":
  runPump(CommandLine.arguments.dropFirst(2))
  exit(0)
case "load-server":
  runLoadServer(CommandLine.arguments.dropFirst(2))
  exit(0)
case "load":
  runLoad(CommandLine.arguments.dropFirst(2))
  exit(0)
case "path":
  runPath(CommandLine.arguments.dropFirst(2))
  exit(0)
default: break
}

if CommandLine.arguments.dropFirst().first == "list" {
  for name in Workload.all.map(\.name) + Crowd.Kind.allCases.map(\.rawValue) { print(name) }
  exit(0)
}

if CommandLine.arguments.dropFirst().first == "one" {
  print(countFrames(of: CommandLine.arguments.last ?? ""))
  exit(0)
}

let measurements = Workload.all.map { $0.measure() }

print("| frames of batches of 64 | ns per frame | Gbit/s | allocations per frame |")
print("|---|---:|---:|---:|")
for measurement in measurements { print(measurement.row) }

print("\n| bytes in the cache | checksum, GB/s | copy, GB/s | ratio |")
print("|---|---:|---:|---:|")
for length in ChecksumMeasurement.lengths { print(ChecksumMeasurement(length).row) }

print("\n| nanoseconds for each event | " + CrowdMeasurement.sizes.map { "\($0) | " }.joined() + "spread |")
print("|---|" + String(repeating: "---:|", count: CrowdMeasurement.sizes.count + 1))
let crowds = Crowd.Kind.allCases.map { CrowdMeasurement($0) }
for crowd in crowds { print(crowd.row) }

let allocating = measurements.filter { $0.allocations > 0 }
if CommandLine.arguments.contains("--check") && !allocating.isEmpty {
  fatalExit("forwarding allocates memory: " + allocating.map(\.name).joined(separator: "; "))
}

let steep = crowds.filter { $0.spread > CrowdMeasurement.tolerance }
if CommandLine.arguments.contains("--check") && !steep.isEmpty {
  fatalExit("an event costs more among many flows: " + steep.map(\.kind.rawValue).joined(separator: "; "))
}
