import BasicContainers
import LinuxSystem

/// The TCP sockets of a namespace, as its kernel tells of them in /proc/net/tcp and /proc/net/tcp6.
///
/// The open tables keep the namespace until this value ends, whatever becomes of the programs in it, and with it what
/// the kernel still has to send for those that have ended.
struct NamespaceSockets: ~Copyable {
  private var tables: UniqueArray<FileDescriptor>

  /// Takes over the open tables.
  init(tables: consuming UniqueArray<FileDescriptor>) { self.tables = tables }

  /// Opens the tables of the network namespace that this process is in; that of a family which the kernel does not have
  /// is missing.
  static func openTables() throws(SystemError) -> UniqueArray<FileDescriptor> {
    var tables = UniqueArray<FileDescriptor>()
    for path in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] where FileSystem.exists(path) {
      tables.append(try FileDescriptor.open(reading: path))
    }
    return tables
  }

  /// Bytes that the kernel holds for programs which have closed their sockets, or ended, until they are acknowledged.
  func undeliveredByteCount() throws(SystemError) -> Int {
    var count = 0
    for index in 0..<tables.count {
      count += Self.undeliveredByteCount(in: try Self.text(of: tables[index]))
    }
    return count
  }

  /// The kernel makes a table's text anew for each reader that begins at its start.
  private static func text(of table: borrowing FileDescriptor) throws(SystemError) -> String {
    var text: [UInt8] = []
    var bytes = [UInt8](repeating: 0, count: 16 * 1024)
    while true {
      var space = bytes.mutableSpan
      let count = try table.read(into: &space, at: text.count)
      guard count > 0 else { return String(decoding: text, as: UTF8.self) }
      text += bytes.prefix(count)
    }
  }

  /// The same of a table's text (Documentation/networking/proc_net_tcp.rst).
  ///
  /// ```
  ///   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
  ///    0: 0F02000A:9C40 0202000A:1F90 04 00100000:00000000 01:00000014 00000000     0        0 0 2 0000000000000000
  /// ```
  static func undeliveredByteCount(in table: String) -> Int {
    var count = 0
    for line in table.split(separator: "\n").dropFirst() {
      let fields = line.split(separator: " ")
      guard fields.count > 9, let queued = fields[4].split(separator: ":").first, let bytes = Int(queued, radix: 16)
      else {
        continue
      }
      let isListening = fields[3] == "0A"
      let isWithoutProgram = fields[9] == "0"
      let staysInside = fields[1].prefix { $0 != ":" } == fields[2].prefix { $0 != ":" }
      if isWithoutProgram && !isListening && !staysInside { count += bytes }
    }
    return count
  }
}
