import Glibc

/// A thread of this process that runs one function to its end. It starts with the signals blocked that its maker has
/// blocked.
public struct Thread: ~Copyable, Sendable {
  private let identity: pthread_t

  /// What a thread runs, in the one piece of memory that can be handed to it.
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Starts a thread; `body` is called on it.
  public init(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
    let argument = unsafe Unmanaged.passRetained(Body(body))
    var identity = pthread_t()
    // SAFETY: the thread takes the reference over; without a thread it is given back below.
    let error = unsafe pthread_create(
      &identity, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, argument.toOpaque())
    guard error == 0 else {
      unsafe argument.release()
      errno = error
      throw .last("start a thread")
    }
    self.identity = identity
  }

  /// Lets the thread end by itself, unwaited for; the end of the process ends it, too.
  public consuming func detach() {
    // Fails, as joining does, only for a thread that is no longer ours.
    pthread_detach(identity)
  }

  /// Waits for the thread's end.
  public consuming func join() {
    // Fails only for a thread that was joined before, which a value that is consumed cannot be.
    pthread_join(identity, nil)
  }
}
