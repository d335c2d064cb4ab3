// Runs the lab's scenarios and prints each one's fingerprint: two processes that print the same have sent the same
// bytes at the same times.

import Simulation

for scenario in Scenario.all {
  let result = scenario.run()
  print("\(String(result.digest, radix: 16)) \(result.frameCount) \(scenario.name)")
}
