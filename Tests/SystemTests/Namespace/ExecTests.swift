import Foundation
import Glibc
import LinuxSystem
import Primitives
import Testing

extension SystemTests {
  /// `culvert exec`: a command in a network namespace of its own.
  @Suite(
    .serialized, Requirement.root, Requirement.culvert,
    Requirement.installed("curl", "setpriv", "ping", "socat", "dnsmasq"))
  struct ExecTests {
    /// Who runs the command.
    enum User: CaseIterable, Sendable {
      case root, nobody
    }

    /// A command line of `exec` as a user. Where /dev/net/tun is root's alone, another user is given a node of its own.
    static func words(
      _ user: User, _ command: [String], options: [String] = [], prepare: String = ":"
    ) -> [String] {
      let exec = [Requirement.culvertPath, "exec"] + options + ["--"] + command
      let become = user == .root ? "" : "setpriv --reuid=65534 --regid=65534 --clear-groups "
      let script = """
        set -e; mount --make-rprivate /; mount -t tmpfs none /mnt; mknod -m 666 /mnt/tun c 10 200
        mount --bind /mnt/tun /dev/net/tun; \(prepare); exec \(become)"$@"
        """
      return ["unshare", "--mount", "bash", "-c", script, "bash"] + exec
    }

    func run(
      _ user: User, _ script: String, options: [String] = [], prepare: String = ":"
    ) throws -> (exit: ChildProcess.Exit, output: String, errors: String) {
      let program = try Program(Self.words(user, ["bash", "-c", script], options: options, prepare: prepare))
      let exit = try program.waitForExit(seconds: 20)
      return (exit, try program.output.textAtEnd(seconds: 5), try program.errors.textAtEnd(seconds: 5))
    }

    @Test(arguments: User.allCases)
    func `the command finds an interface, routes and a name server, and its status is ours`(user: User) throws {
      let result = try run(
        user,
        """
        ip -o address show dev tap0; ip -o link show dev tap0; ip route; ip -6 route; ip link show dev lo
        cat /etc/resolv.conf; id -u; exit 7
        """)
      #expect(result.exit == .status(7), "\(result.errors)")
      for line in [
        "inet 10.0.2.15/24", "inet6 fec0::15/64", "mtu 1500", "qlen 10000", "default via 10.0.2.2 dev tap0",
        "default via fec0::2 dev tap0", "LOOPBACK,UP", "nameserver 10.0.2.3\nnameserver fec0::3", "\n0",
      ] { #expect(result.output.contains(line), "\(line)\n\(result.output)") }
      #expect(result.errors == "")
    }

    @Test(arguments: User.allCases)
    func `it reaches the host's servers, a name server and, by -p, is reached`(user: User) throws {
      let content = [UInt8](repeating: 7, count: 100_000)
      let folder = try ScratchFolder()
      let server = try HTTPServer(content: content, uploads: folder, crowd: 1)
      let names = try Dnsmasq(names: ["name.test": "192.0.2.7"])
      let port = try freePort()
      let program = try Program(
        Self.words(
          user,
          [
            "bash", "-c",
            """
            set -e
            curl -sS http://10.0.2.2:\(server.port)/x | wc -c
            getent ahostsv4 name.test | head -1
            ping -c 1 -W 5 10.0.2.2 >/dev/null
            exec socat -d -d TCP-LISTEN:8000,reuseaddr SYSTEM:'echo served'
            """,
          ], options: ["-p", "tcp:127.0.0.1:\(port)-:8000", "--dns-upstream", "127.0.0.1:\(names.port)"]))
      try program.errors.wait(seconds: 10, "socat") { $0.contains("listening on") ? () : nil }
      var client = try Connection(to: port)
      let answer = try client.readAll()
      #expect(String(decoding: answer, as: UTF8.self) == "served\n")
      try program.expectSuccess()
      let output = try program.output.textAtEnd(seconds: 5)
      #expect(output.contains("100000\n"), "\(output)")
      #expect(output.contains("192.0.2.7"), "\(output)")
    }

    @Test func `a command that is not there, cannot be run or is killed ends as in a shell`() throws {
      func exit(_ words: String...) throws -> ChildProcess.Exit {
        try Program([Requirement.culvertPath, "exec", "--"] + words).waitForExit(seconds: 20)
      }
      #expect(try exit("culvert-no-such-command") == .status(127))
      #expect(try exit("/etc/passwd") == .status(126))
      #expect(try exit("bash", "-c", "kill -9 $$") == .status(137))
      #expect(try exit("true") == .status(0))
    }

    @Test func `a signal is passed on, and the status is that of its end`() throws {
      let program = try Program([
        Requirement.culvertPath, "exec", "--", "bash", "-c",
        "trap 'exit 9' TERM; echo there; while :; do sleep 0.1; done",
      ])
      try program.output.wait(seconds: 10, "the command's start") { $0.contains("there") ? () : nil }
      try program.send(signal: SIGTERM)
      #expect(try program.waitForExit(seconds: 10) == .status(9))
    }

    @Test(arguments: User.allCases)
    func `it runs where nothing of the kernel's settings may be written, as in a container`(user: User) throws {
      let prepare = "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys"
      let result = try run(user, "ping -qc 1 10.0.2.2; ping -qc 1 fec0::2", prepare: prepare)
      #expect(result.exit == .status(0), "\(result.output)\(result.errors)")
    }

    @Test func `its addresses are those that it is given, whatever the router advertises`() throws {
      let script = "until ip -6 -o address show dev tap0 scope link -tentative | grep -q fe80; do sleep 0.1; done; "
      let result = try run(.nobody, script + "ip -6 -o address show dev tap0 scope site; ip -6 route show default")
      #expect(result.output.split(separator: "\n").count == 2, "\(result.output)")
    }

    @Test func `a descriptor that the command is to inherit is the command's`() throws {
      let folder = try ScratchFolder()
      let path = try folder.write("three", to: "file")
      let exec = [Requirement.culvertPath, "exec", "--", "cat", "/dev/fd/3"].joined(separator: " ")
      #expect(try Program.run("bash", "-c", "\(exec) 3<\(path)") == "three")
    }

    @Test func `what it leaves on the host is nothing`() throws {
      let before = try FileManager.default.contentsOfDirectory(atPath: "/tmp").filter { $0.hasPrefix("culvert.") }
      let result = try run(.root, "true")
      #expect(result.exit == .status(0))
      let after = try FileManager.default.contentsOfDirectory(atPath: "/tmp").filter { $0.hasPrefix("culvert.") }
      #expect(before == after)
      #expect(try !Program.run("ip", "-o", "link").contains("tap0"))
    }

    // MARK: resolv.conf

    /// What is done to a copy of /etc before.
    @Test(arguments: [
      "rm /etc/resolv.conf", "ln -sf /nowhere/resolv.conf /etc/resolv.conf",
      "mkdir /mnt/elsewhere; echo nameserver 192.0.2.1 >/mnt/elsewhere/r; ln -sf /mnt/elsewhere/r /etc/resolv.conf",
    ])
    func `the name server is the network's wherever resolv.conf is, and the rest of etc stays`(
      change: String
    ) throws {
      let prepare = "cp -a /etc /mnt/etc; mount --bind /mnt/etc /etc; \(change)"
      for user in User.allCases {
        let result = try run(
          user, "cat /etc/resolv.conf; getent passwd root", options: ["--dnssearch", "a.test"], prepare: prepare)
        #expect(result.exit == .status(0), "\(result.errors)")
        #expect(result.output.hasPrefix("nameserver 10.0.2.3\nnameserver fec0::3\nsearch a.test\n"), "\(result.output)")
        #expect(result.output.contains("root:x:0:0:"), "\(result.output)")
      }
    }

    @Test func `the guests' domain is searched, too, and first`() throws {
      func searched(_ options: String...) throws -> [Substring] {
        let result = try run(.nobody, "grep search /etc/resolv.conf || true", options: options)
        return result.output.split(separator: "\n")
      }
      #expect(try searched() == [])
      #expect(try searched("--domainname", "a.test") == ["search a.test"])
      #expect(
        try searched("--dnssearch", "b.test", "--dnssearch", "a.test", "--domainname", "a.test")
          == ["search a.test b.test"])
    }

    @Test(arguments: ["rm /etc/resolv.conf", ":"])
    func `links in etc lead where they led, and no folder of the host's need be writable`(change: String) throws {
      let prepare = """
        cp -a /etc /mnt/etc; mount --bind /mnt/etc /etc; \(change); mkdir -p /etc/of/its
        echo seen >/mnt/seen; ln -s ../mnt/seen /etc/relative; ln -s ../../../mnt/seen /etc/of/its/relative
        export TMPDIR=/proc
        """
      for user in User.allCases {
        let result = try run(
          user, "cat /etc/relative /etc/of/its/relative; head -1 /etc/resolv.conf", prepare: prepare)
        #expect(result.output == "seen\nseen\nnameserver 10.0.2.3", "\(result.output)\(result.errors)")
      }
    }

    /// A /run of the test's own, in which servers listen.
    static let listeningServers = """
      mkdir -p /mnt/run/nscd /mnt/run/systemd/resolve/netif; mount --bind /mnt/run /run; cd /run/systemd/resolve
      for socket in /run/nscd/socket io.systemd.Resolve; do
        socat -u UNIX-LISTEN:$socket,unlink-close=0 /dev/null & until [ -e $socket ]; do sleep 0.01; done; kill $!
      done
      echo 7 >/run/nscd/nscd.pid; echo DNS= >netif/2; ln -s netif/2 link
      echo nameserver 127.0.0.53 | tee resolv.conf >stub-resolv.conf
      cp -a /etc /mnt/etc; mount --bind /mnt/etc /etc; cd /
      """

    @Test(arguments: User.allCases)
    func `the sockets of the host's name servers are hidden, and nothing else of their folders`(user: User) throws {
      let script = """
        find /run/nscd /run/systemd/resolve -type s; cat /run/nscd/nscd.pid
        cd /run/systemd/resolve; cat netif/2 link; head -qn 1 resolv.conf stub-resolv.conf
        """
      let result = try run(user, script, prepare: Self.listeningServers)
      #expect(result.errors == "")
      #expect(result.output == "7\nDNS=\nDNS=\nnameserver 10.0.2.3\nnameserver 10.0.2.3", "\(result.output)")
    }

    @Test(arguments: User.allCases, ["stub-resolv.conf", "resolv.conf"])
    func `resolv.conf may lead to a server's folder, whose sockets are hidden when the server starts later as well`(
      user: User, name: String
    ) throws {
      // What the server does when it starts: its file is another one then.
      let server = """
        chmod 777 /mnt; rm /run/nscd/socket /run/systemd/resolve/io.systemd.Resolve
        ln -sf ../run/systemd/resolve/\(name) /etc/resolv.conf
        { until [ -e /mnt/begun ]; do sleep 0.01; done; cd /run/systemd/resolve
          touch /run/nscd/socket io.systemd.Resolve; echo nameserver 127.0.0.53 >new; mv new \(name); touch /mnt/done; } & :
        """
      let script = """
        touch /mnt/begun; until [ -e /mnt/done ]; do sleep 0.01; done
        head -n 1 /etc/resolv.conf
        [ ! -e /run/nscd/socket ] && [ ! -e /run/systemd/resolve/io.systemd.Resolve ] && echo hidden
        """
      let result = try run(user, script, prepare: Self.listeningServers + "\n" + server)
      #expect(result.output == "nameserver 10.0.2.3\nhidden", "\(result.output)\(result.errors)")
    }

    @Test func `where no server of names has a folder none is made`() throws {
      let result = try run(
        .root, "ls -A /run; head -n 1 /etc/resolv.conf", prepare: "mkdir /mnt/run; mount --bind /mnt/run /run")
      #expect(result.output == "nameserver 10.0.2.3", "\(result.output)\(result.errors)")
    }

    // MARK: What is not allowed

    @Test(arguments: User.allCases)
    func `a device file that may not be opened, or is not there, is told with what to do`(user: User) throws {
      let missing = try run(user, "true", prepare: "umount /dev/net/tun; mount -t tmpfs none /dev/net")
      #expect(missing.exit == .status(1))
      #expect(missing.errors.hasPrefix("culvert: there is no /dev/net/tun: No such file or directory; 'modprobe tun'"))
      guard user == .nobody else { return }
      let closed = try run(user, "true", prepare: "chmod 600 /mnt/tun")
      #expect(closed.exit == .status(1))
      #expect(
        closed.errors.hasPrefix(
          "culvert: /dev/net/tun may not be opened: Permission denied; 'chmod 666 /dev/net/tun', as root, allows it"),
        "\(closed.errors)")
      #expect(closed.errors.split(separator: "\n").count == 1)
    }

    @Test func `where users may make no namespaces one line says how to allow them`() throws {
      // In a user namespace of the test's own, whose switch is no one else's.
      let program = try Program([
        "unshare", "--user", "--map-user=65534", "--map-group=65534", "--keep-caps", "bash", "-c",
        "echo 0 >/proc/sys/user/max_user_namespaces; exec \(Requirement.culvertPath) exec -- true",
      ])
      #expect(try program.waitForExit(seconds: 10) == .status(1))
      let errors = try program.errors.textAtEnd(seconds: 5)
      #expect(
        errors.hasPrefix("culvert: a user may make no namespaces here: ")
          && errors.contains("'sysctl user.max_user_namespaces=15000', as root, allows them"), "\(errors)")
      #expect(errors.split(separator: "\n").count == 1)
    }
  }
}
