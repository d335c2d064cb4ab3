public import Buffers
import CLinux
import Glibc
import LinuxSystem
public import Netstack

// Files are read on the loop: what the kernel has in its cache, which it fills ahead of a sequential reader, takes no
// longer than a socket.
extension KernelSockets {
  /// Opens a regular file of those that are served.
  public mutating func openFile(_ flow: FlowID, named name: Span<UInt8>) -> HostFileOpen {
    do throws(SystemError) {
      let byteCount = try open(flow, name)
      return byteCount.map { .ready(byteCount: $0) } ?? .failed(.forbidden)
    } catch {
      return .failed(HostFileError(number: error.number))
    }
  }

  /// The length of the file that is now open as `flow`; nil where none are served.
  private mutating func open(_ flow: FlowID, _ name: Span<UInt8>) throws(SystemError) -> UInt64? {
    guard let file = try files?.open(name) else { return nil }
    let byteCount = file.byteCount
    table[flow] = SocketState(descriptor: file.take(), kind: .file)
    return byteCount
  }

  /// Reads by one scatter read, or more where that was cut short.
  public mutating func readFile(_ flow: FlowID, at offset: UInt64, into regions: inout ByteRegions) -> HostRead {
    let file = descriptor(flow)
    let (wanted, rest) = unsafe (regions.byteCount, scratch.regions)
    var done = 0
    while done < wanted {
      let count = unsafe regions.withUnsafeRegions { list in
        guard done > 0 else { return unsafe Self.read(file, list.baseAddress, list.count, at: offset) }
        let length = unsafe Self.copy(list, behind: done, to: rest)
        return unsafe Self.read(file, rest.baseAddress, length, at: offset + UInt64(done))
      }
      guard count > 0 else {
        if done > 0 { break }
        return count == 0 ? .endOfStream : .failed(HostError(number: errno))
      }
      done += count
    }
    return .bytes(done)
  }

  private static func read(
    _ file: Int32, _ list: UnsafeMutablePointer<MemoryRegion>?, _ count: Int, at offset: UInt64
  ) -> Int {
    while true {
      // SAFETY: `MemoryRegion` has the layout of `iovec`, and the list lives through the call.
      let received = unsafe clinux_read_at(file, list, Int32(count), offset)
      if received >= 0 || errno != EINTR { return received }
    }
  }

  /// Copies to `rest` what is left of a list of regions behind its first `done` bytes, and returns how many those are.
  private static func copy(
    _ list: UnsafeMutableBufferPointer<MemoryRegion>, behind done: Int,
    to rest: UnsafeMutableBufferPointer<MemoryRegion>
  ) -> Int {
    var skip = done
    var length = 0
    for index in 0..<list.count {
      let region = unsafe list[index]
      guard unsafe skip < region.count else {
        unsafe skip -= region.count
        continue
      }
      // SAFETY: the skipped bytes lie in the region.
      unsafe rest[length] = unsafe MemoryRegion(base: region.base + skip, count: region.count - skip)
      length += 1
      skip = 0
    }
    return length
  }
}

extension HostFileError {
  /// The meaning of an error number of the system.
  init(number: Int32) {
    switch number {
    case ENOENT, ENOTDIR, ENAMETOOLONG: self = .notFound
    case EXDEV, ELOOP, EACCES, EPERM, EISDIR: self = .forbidden
    case EMFILE, ENFILE, ENOMEM: self = .exhausted
    default: self = .other(number)
    }
  }
}
