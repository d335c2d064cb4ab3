/// What went wrong in a test's surroundings, in words, with the logs that explain it.
struct Failure: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
