/// One option of a QEMU command line, or a word that is none (a disk image).
struct QEMUOption: Hashable {
  /// The option's name without dashes; empty for a word that is no option.
  var name: String
  /// The option's value, or the word.
  var value: String
  /// The option as it stands on the command line.
  var words: [String]

  /// Cuts a command line's words, without the program, into options.
  ///
  /// QEMU takes one dash or two, and the value is always the next word. What follows an option that is not known is
  /// taken as its value unless it looks like an option.
  static func options(in words: [String]) -> [QEMUOption] {
    var options: [QEMUOption] = []
    var rest = words[...]
    while let word = rest.popFirst() {
      guard word.hasPrefix("-"), word != "-" else {
        options.append(QEMUOption(name: "", value: word, words: [word]))
        continue
      }
      let name = String(word.drop { $0 == "-" })
      var option = QEMUOption(name: name, value: "", words: [word])
      if valued.contains(name) || (!flags.contains(name) && rest.first?.hasPrefix("-") == false),
        let value = rest.popFirst()
      {
        option.value = value
        option.words.append(value)
      }
      options.append(option)
    }
    return options
  }

  /// The options that matter here and that take a value, and those whose value may well look like an option.
  private static let valued: Set<String> = [
    "M", "machine", "device", "netdev", "nic", "net", "append", "name", "kernel", "initrd", "drive", "readconfig",
    "serial", "monitor", "object", "global", "fw_cfg", "smbios", "accel", "cpu", "m", "smp", "display",
  ]

  /// The options without a value.
  private static let flags: Set<String> = [
    "h", "help", "version", "mem-prealloc", "audio-help", "snapshot", "usb", "nographic", "portrait", "full-screen",
    "win2k-hack", "no-fd-bootchk", "no-acpi", "no-hpet", "singlestep", "preconfig", "S", "s", "enable-kvm",
    "xen-attach", "xen-domid-restrict", "no-reboot", "no-shutdown", "daemonize", "only-migratable", "nodefaults",
    "no-user-config", "nouserconfig", "async-teardown", "enable-sync-profile", "old-param", "semihosting", "sdl",
    "curses", "no-quit", "alt-grab", "ctrl-grab", "no-frame", "tdf", "realtime", "qmp-pretty-help",
  ]
}

/// The `key=value` list of a QEMU option, in which a doubled comma stands for a comma.
struct QEMUProperties {
  /// The pairs in order; the first key is empty where the first item is a value alone.
  var pairs: [(key: String, value: String)]

  /// Reads a list, or the strings of a flat JSON object, which QEMU takes instead of one.
  init(_ text: String) {
    pairs = text.hasPrefix("{") ? Self.json(text) : Self.list(text)
  }

  /// The properties of an option that may be given several times, later values winning.
  init(merging options: some Sequence<QEMUOption>) {
    pairs = options.flatMap { QEMUProperties($0.value).pairs }
  }

  /// The last value given for `key`.
  subscript(key: String) -> String? { pairs.last { $0.key == key }?.value }

  /// The value of `key`, which may also stand first without a key (`-machine q35`, `-device e1000`).
  func implied(_ key: String) -> String? {
    pairs.last { $0.key == key || $0.key.isEmpty }?.value
  }

  private static func list(_ text: String) -> [(key: String, value: String)] {
    var items = [""]
    var rest = text[...]
    while let character = rest.popFirst() {
      guard character == "," else {
        items[items.count - 1].append(character)
        continue
      }
      if rest.first == "," {
        items[items.count - 1].append(rest.removeFirst())
      } else {
        items.append("")
      }
    }
    return items.enumerated().compactMap { index, item in
      if let equals = item.firstIndex(of: "=") {
        return (String(item[..<equals]), String(item[item.index(after: equals)...]))
      }
      // A word alone is a value where it stands first, else a switch.
      return index == 0 ? ("", item) : (item, "on")
    }
  }

  /// The members of a JSON object, as a list would have them: switches as `on` and `off`, the items of an array as
  /// repeated keys, the members of nested objects flat among the others. Nothing of what is no JSON object.
  private static func json(_ text: String) -> [(key: String, value: String)] {
    JSONValue(text)?.properties(of: "") ?? []
  }
}

extension String {
  /// The text as a value in a `key=value` list of QEMU: commas doubled.
  var qemuEscaped: String { split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,") }
}
