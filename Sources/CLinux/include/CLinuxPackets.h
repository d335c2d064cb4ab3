// Packet sockets (packet(7)): whole frames of an interface.

#ifndef CLINUX_PACKETS_H
#define CLINUX_PACKETS_H

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

/// Lets a packet socket take what a server of addresses needs: DHCP requests (UDP to port 67, in one piece), ARP replies,
/// router solicitations. Nothing that goes out, nothing with a VLAN tag, and nothing that is for somebody else: on an
/// interface that is captured that comes, too.
static inline int clinux_take_address_requests(int socket) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 19, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OTHERHOST, 18, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 16),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12 /* EtherType */),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 7, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 8, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 12),
      // 9: IPv4
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23 /* protocol */),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 17 /* UDP */, 0, 10),
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14 /* length of the header */),
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16 /* destination port */),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 67, 6, 7),
      // 14: ARP
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20 /* operation */),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 2 /* reply */, 4, 5),
      // 16: IPv6
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20 /* next header */),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 58 /* ICMPv6 */, 0, 3),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54 /* type */),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 133 /* router solicitation */, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
  return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/// Lets a socket take nothing at all.
static inline int clinux_take_nothing(int socket) {
  struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  struct sock_fprog program = {.len = 1, .filter = code};
  return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/// Has a packet socket take the frames of an interface that come in from now on, and tell of each what it knows.
static inline int clinux_bind_packets(int socket, uint32_t interface) {
  int yes = 1;
  if (setsockopt(socket, SOL_PACKET, PACKET_AUXDATA, &yes, sizeof yes) != 0) return -1;
  // Before Linux 4.20 the filter alone keeps out what goes out.
  setsockopt(socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes);
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)interface};
  return bind(socket, (struct sockaddr *)&address, sizeof address);
}

/// Reads a frame; `length` is that on the wire, and `pending` whether its transport checksum is still to be filled in by
/// who would put it on a wire. Returns how many bytes there are.
static inline ssize_t clinux_receive_packet(int socket, void *bytes, size_t capacity, uint32_t *length, int *pending) {
  union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))]; } control;
  struct iovec region = {bytes, capacity};
  struct msghdr message = {
      .msg_iov = &region, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
  *pending = 0;
  ssize_t count = recvmsg(socket, &message, MSG_DONTWAIT);
  if (count < 0) return count;
  *length = (uint32_t)count;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_PACKET || header->cmsg_type != PACKET_AUXDATA) continue;
    struct tpacket_auxdata known;
    memcpy(&known, CMSG_DATA(header), sizeof known);
    *length = known.tp_len;
    *pending = (known.tp_status & TP_STATUS_CSUMNOTREADY) != 0;
  }
  return count;
}

/// Binds a socket to the interface of a name (SO_BINDTODEVICE).
static inline int clinux_bind_to_device(int socket, const char *name) {
  return setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name));
}

/// A non-blocking packet socket that takes nothing yet.
static inline int clinux_packet_socket(void) { return socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

#endif
