import CLinux
import Glibc

extension FileSystem {
  /// Puts a file of `text`, with permissions of `mode`, in the place of the file at `path`, or where there is none: at no
  /// moment is there half of it.
  ///
  /// The new file is made beside the old one, as `path` and `.new`, and takes its name when it is whole. No disk is
  /// waited for: after a power failure it may be the old one, or empty.
  public static func replace(_ path: String, with text: String, mode: UInt32) throws(SystemError) {
    let new = path + ".new"
    // What an attempt that was cut short has left. Never written to: it may be a link to something precious.
    do throws(SystemError) { try unlink(new) } catch  where error.number == ENOENT {}
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
    let file = FileDescriptor(owning: try checked("write", path) { unsafe clinux_open(new, flags, mode) })
    do throws(SystemError) {
      try file.write(text)
      try checked("write", path) { unsafe Glibc.rename(new, path) }
    } catch {
      do throws(SystemError) { try unlink(new) } catch { throw error }
      throw SystemError(error.number, "write", path)
    }
  }
}
