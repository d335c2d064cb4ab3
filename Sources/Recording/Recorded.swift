/// A host or a sink of which a `Recorder` is told each call: its arguments, and what it returned.
///
/// Without a recorder it is what it is of, and one branch that is always taken.
public struct Recorded<Base: ~Copyable>: ~Copyable {
  /// What does the work.
  public var base: Base
  /// Who is told, if anybody.
  public var recorder: Recorder?

  /// Has `recorder` be told of the calls of `base`.
  public init(_ base: consuming Base, by recorder: Recorder? = nil) {
    self.base = base
    self.recorder = recorder
  }
}

extension Recorded: Copyable where Base: Copyable {}
