/// Packet filters of others, in the language of nft(8), as their programs make them.
enum ForeignRules {
  /// firewalld's, with the uplink in a zone of its own.
  static let firewalld = """
    table inet firewalld {
      chain filter_INPUT {
        type filter hook input priority filter + 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        jump filter_INPUT_ZONES
        reject with icmpx admin-prohibited
      }
      chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        ip6 daddr { ::/96, 2002::/24 } reject with icmpv6 addr-unreachable
        jump filter_FORWARD_ZONES
        reject with icmpx admin-prohibited
      }
      chain filter_INPUT_ZONES {
        iifname "wlo1" goto filter_IN_home
        goto filter_IN_public
      }
      chain filter_FORWARD_ZONES {
        iifname "wlo1" goto filter_FWD_home
        iifname "trusted0" goto filter_FWD_trusted
        goto filter_FWD_public
      }
      chain filter_IN_home {
        meta l4proto { icmp, ipv6-icmp } accept
        reject with icmpx admin-prohibited
      }
      chain filter_IN_public {
        jump filter_IN_public_allow
        meta l4proto { icmp, ipv6-icmp } accept
        reject with icmpx admin-prohibited
      }
      chain filter_IN_public_allow { tcp dport 22 accept; }
      chain filter_FWD_home { reject with icmpx admin-prohibited; }
      chain filter_FWD_trusted { accept; }
      chain filter_FWD_public {
        jump filter_FWD_public_allow
        reject with icmpx admin-prohibited
      }
      chain filter_FWD_public_allow { }
    }

    """

  /// libvirt's, with its own network, which concerns nobody else.
  static let libvirt = """
    table ip libvirt_network {
      chain forward {
        type filter hook forward priority filter; policy accept;
        counter jump guest_cross
        counter jump guest_input
        counter jump guest_output
      }
      chain guest_output {
        ip saddr 192.168.122.0/24 iif "virbr0" counter accept
        iif "virbr0" counter reject
      }
      chain guest_input {
        oif "virbr0" ip daddr 192.168.122.0/24 ct state established,related counter accept
        oif "virbr0" counter reject
      }
      chain guest_cross { iif "virbr0" oif "virbr0" counter accept; }
      chain guest_nat {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr 192.168.122.0/24 ip daddr != 192.168.122.0/24 counter masquerade
      }
    }

    """

  /// One that somebody has written by hand, with maps and sets by name; it lets in pings and nothing else.
  static let byHand = """
    table inet filter {
      set friends { type ipv4_addr; flags interval; elements = { 192.168.1.0/24 } }
      chain input {
        type filter hook input priority filter; policy drop;
        ct state vmap { established : accept, related : accept, invalid : drop }
        iif "lo" accept
        icmp type { echo-request, destination-unreachable } limit rate 10/second accept
        icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert } accept
        iifname "br*" meta l4proto icmp accept
      }
      chain forward {
        type filter hook forward priority filter; policy drop;
        ct state vmap { established : accept, related : accept, invalid : drop }
        iifname vmap { "eth7" : jump allowed, "virbr0" : accept }
        ip saddr @friends tcp dport 443 accept
      }
      chain allowed { accept; }
    }

    """

  /// ufw's by iptables-restore, reduced to what decides.
  static let ufw = """
    *filter
    :INPUT DROP [0:0]
    :FORWARD DROP [0:0]
    :OUTPUT ACCEPT [0:0]
    :ufw-before-input - [0:0]
    :ufw-before-forward - [0:0]
    :ufw-user-forward - [0:0]
    :ufw-reject-forward - [0:0]
    -A INPUT -j ufw-before-input
    -A FORWARD -j ufw-before-forward
    -A FORWARD -j ufw-reject-forward
    -A ufw-before-input -i lo -j ACCEPT
    -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    -A ufw-before-input -m conntrack --ctstate INVALID -j DROP
    -A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT
    -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    -A ufw-before-forward -p icmp -m icmp --icmp-type 8 -j ACCEPT
    -A ufw-before-forward -j ufw-user-forward
    COMMIT

    """

  /// Docker's by iptables-restore.
  static let docker = """
    *nat
    :PREROUTING ACCEPT [0:0]
    :POSTROUTING ACCEPT [0:0]
    :DOCKER - [0:0]
    -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
    -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
    COMMIT
    *filter
    :INPUT ACCEPT [0:0]
    :FORWARD DROP [0:0]
    :OUTPUT ACCEPT [0:0]
    :DOCKER - [0:0]
    :DOCKER-USER - [0:0]
    -A FORWARD -j DOCKER-USER
    -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    -A FORWARD -o docker0 -j DOCKER
    -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
    -A FORWARD -i docker0 -o docker0 -j ACCEPT
    -A DOCKER-USER -j RETURN
    COMMIT

    """

  /// Red Hat's default of old by iptables-restore: the policies accept, the last rules reject.
  static let rejecting = """
    *filter
    :INPUT ACCEPT [0:0]
    :FORWARD ACCEPT [0:0]
    :OUTPUT ACCEPT [0:0]
    -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    -A INPUT -p icmp -j ACCEPT
    -A INPUT -j REJECT --reject-with icmp-host-prohibited
    -A FORWARD -j LOG --log-prefix "to reject: "
    -A FORWARD -j REJECT --reject-with icmp-host-prohibited
    COMMIT

    """
}
