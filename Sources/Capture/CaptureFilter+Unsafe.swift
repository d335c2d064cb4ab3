import CPcap
import Glibc

/// A filter of frames, in the language of pcap-filter(7): "tcp port 80", "not arp".
///
/// Compiling one may look up names ("host example.com"), and so may wait for a name server.
@safe
public struct CaptureFilter: ~Copyable {
  /// The filter as written.
  public let expression: String
  private let program: UnsafeMutablePointer<bpf_program>

  /// Compiles an expression for Ethernet frames; an empty one lets every frame pass.
  public init(_ expression: String) throws(CaptureError) {
    // To C the expression would end there.
    guard !expression.utf8.contains(0) else { throw .badFilter(expression: expression, reason: "a zero byte in it") }
    try Pcap.load()
    // SAFETY: what is made here is given back here, or with the filter.
    guard
      let frames = unsafe cpcap_open_dead_with_tstamp_precision(
        DLT_EN10MB, 262_144, UInt32(PCAP_TSTAMP_PRECISION_NANO))
    else {
      throw .badFilter(expression: expression, reason: "no memory")
    }
    defer { unsafe cpcap_close(frames) }
    let program = UnsafeMutablePointer<bpf_program>.allocate(capacity: 1)
    unsafe program.initialize(to: bpf_program())
    guard unsafe cpcap_compile(frames, program, expression, 1, UInt32(PCAP_NETMASK_UNKNOWN)) == 0 else {
      let reason = unsafe String(cString: cpcap_geterr(frames))
      unsafe program.deallocate()
      throw .badFilter(expression: expression, reason: reason)
    }
    self.expression = expression
    unsafe self.program = program
  }

  deinit {
    unsafe cpcap_freecode(program)
    unsafe program.deallocate()
  }

  /// Whether a frame passes, of which `bytes` are there and `originalLength` were on the wire. What a filter asks of bytes
  /// that are not there is not so.
  public borrowing func matches(_ bytes: Span<UInt8>, originalLength: Int) -> Bool {
    var header = pcap_pkthdr(
      ts: timeval(), caplen: UInt32(clamping: bytes.count), len: UInt32(clamping: originalLength))
    // SAFETY: the program was compiled by libpcap, which bounds what it reads by the header's lengths.
    return unsafe bytes.withUnsafeBufferPointer { bytes in
      unsafe cpcap_offline_filter(program, &header, bytes.baseAddress) != 0
    }
  }
}

// SAFETY: the program belongs to this value alone, and running it changes nothing.
extension CaptureFilter: @unchecked Sendable {}
