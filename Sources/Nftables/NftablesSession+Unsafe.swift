import CNftables

/// A conversation with the kernel's packet filter (nftables) by libnftables, in the network namespace that the calling
/// thread is in when the session begins.
///
/// What is run at once is one transaction: it happens as a whole or not at all. A session belongs to one thread at a
/// time.
@safe
public struct NftablesSession: ~Copyable {
  private let context: OpaquePointer

  /// Begins a session; libnftables is loaded if it has not been.
  public init() throws(NftablesError) {
    // SAFETY: the text is the library's own and is never changed again.
    if let reason = unsafe cnft_load() { throw .noLibrary(reason: unsafe String(cString: reason)) }
    // SAFETY: the context is this value's alone, and is given back with it.
    guard let context = unsafe cnft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else { throw .noSession }
    guard unsafe cnft_ctx_buffer_output(context) == 0, unsafe cnft_ctx_buffer_error(context) == 0 else {
      unsafe cnft_ctx_free(context)
      throw .noSession
    }
    unsafe self.context = context
  }

  deinit { unsafe cnft_ctx_free(context) }

  /// Runs commands, in JSON as libnftables-json(5) has them, and returns the answer, in JSON.
  @discardableResult
  public mutating func run(json: String) throws(NftablesError) -> String { try run(json, CNFT_JSON) }

  /// Runs commands, in the language of nft(8), and returns the answer in it, with the handles of what has one.
  @discardableResult
  public mutating func run(text: String) throws(NftablesError) -> String { try run(text, CNFT_TEXT_WITH_HANDLES) }

  private mutating func run(_ commands: String, _ output: UInt32) throws(NftablesError) -> String {
    // To C the commands would end there.
    guard !commands.utf8.contains(0) else { throw .refused("a zero byte in a command") }
    // SAFETY: the library copies the commands, and its buffers are good until the next call.
    unsafe cnft_ctx_output_set_flags(context, output)
    let isDone = unsafe cnft_run_cmd_from_buffer(context, commands) == 0
    let (answer, errors) = unsafe (cnft_ctx_get_output_buffer(context), cnft_ctx_get_error_buffer(context))
    let text = unsafe answer.map { unsafe String(cString: $0) } ?? ""
    guard isDone else { throw .refused(Self.line(of: unsafe errors.map { unsafe String(cString: $0) } ?? "")) }
    return text
  }

  /// The library's complaint in one line: its first, without the commands that it quotes below.
  private static func line(of complaint: String) -> String {
    let first = complaint.split(separator: "\n").first.map(String.init) ?? "it does not say why"
    // What stands before the words is the place in the commands, which the operator has not written.
    guard let words = first.firstRange(of: "Error: ") else { return first }
    return String(first[words.upperBound...])
  }
}
