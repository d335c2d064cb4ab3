// Many datagrams by one system call, with the addresses that they come to or leave from.

#ifndef CLINUX_MESSAGES_H
#define CLINUX_MESSAGES_H

#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/filter.h>

/// The kernel's `struct mmsghdr`, which only _GNU_SOURCE would declare.
struct clinux_message {
  struct msghdr header;
  unsigned int length;
};

/// Room for one packet information of either family, and the size of the datagrams in a message.
#define CLINUX_MESSAGE_CONTROL_CAPACITY 96

/// Room for what the error queue tells beside a message: an extended error with the address of its reporter.
#define CLINUX_ERROR_CONTROL_CAPACITY 256

static inline int clinux_send_messages(int socket, struct clinux_message *list, unsigned int count) {
  return (int)syscall(SYS_sendmmsg, socket, list, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static inline int clinux_receive_messages(int socket, struct clinux_message *list, unsigned int count) {
  return (int)syscall(SYS_recvmmsg, socket, list, count, MSG_DONTWAIT, NULL);
}

/// `struct in_pktinfo` and `struct in6_pktinfo`, which only _GNU_SOURCE would declare.
struct clinux_in_pktinfo { int interface; struct in_addr local, destination; };
struct clinux_in6_pktinfo { struct in6_addr address; unsigned int interface; };
#define CLINUX_IP_PKTINFO 8
#define CLINUX_IPV6_PKTINFO 50

/// The address that a received message was sent to, an IPv4 one in mapped form; false where the host does not tell.
static inline int clinux_message_destination(struct msghdr *message, uint64_t *high, uint64_t *low) {
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == CLINUX_IP_PKTINFO) {
      struct clinux_in_pktinfo information;
      memcpy(&information, CMSG_DATA(header), sizeof information);
      *high = 0;
      *low = 0xffff00000000ull | ntohl(information.destination.s_addr);
      return 1;
    }
    if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == CLINUX_IPV6_PKTINFO) {
      struct clinux_in6_pktinfo information;
      memcpy(&information, CMSG_DATA(header), sizeof information);
      uint32_t words[4];
      memcpy(words, &information.address, sizeof words);
      *high = (uint64_t)ntohl(words[0]) << 32 | ntohl(words[1]);
      *low = (uint64_t)ntohl(words[2]) << 32 | ntohl(words[3]);
      return 1;
    }
  }
  return 0;
}

/// Lets a message leave from the address given by its halves (an IPv4 one in mapped form); `control` has room for
/// CLINUX_MESSAGE_CONTROL_CAPACITY bytes.
static inline void clinux_message_set_source(
    struct msghdr *message, void *control, int is_ipv4, uint64_t high, uint64_t low) {
  memset(control, 0, CLINUX_MESSAGE_CONTROL_CAPACITY);
  message->msg_control = control;
  message->msg_controllen = CLINUX_MESSAGE_CONTROL_CAPACITY;
  struct cmsghdr *header = CMSG_FIRSTHDR(message);
  if (is_ipv4) {
    struct clinux_in_pktinfo information = {.local.s_addr = htonl((uint32_t)low)};
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = CLINUX_IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof information);
    memcpy(CMSG_DATA(header), &information, sizeof information);
  } else {
    struct clinux_in6_pktinfo information = {.interface = 0};
    uint32_t words[4] = {
        htonl((uint32_t)(high >> 32)), htonl((uint32_t)high), htonl((uint32_t)(low >> 32)), htonl((uint32_t)low)};
    memcpy(&information.address, words, sizeof words);
    header->cmsg_level = IPPROTO_IPV6;
    header->cmsg_type = CLINUX_IPV6_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof information);
    memcpy(CMSG_DATA(header), &information, sizeof information);
  }
  message->msg_controllen = CMSG_SPACE(is_ipv4 ? sizeof(struct clinux_in_pktinfo) : sizeof(struct clinux_in6_pktinfo));
}

/// UDP_SEGMENT and UDP_GRO (udp(7)), of Linux 4.18 and 5.0.
static const int CLINUX_UDP_SEGMENT = 103;
static const int CLINUX_UDP_GRO = 104;
/// A network namespace's number (Linux 5.14).
static const int CLINUX_SO_NETNS_COOKIE = 71;

/// The size of the datagrams that a received message was put together from, all but the last; 0 for a single one.
static inline int clinux_message_segment_size(struct msghdr *message) {
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != IPPROTO_UDP || header->cmsg_type != CLINUX_UDP_GRO) continue;
    int size;
    memcpy(&size, CMSG_DATA(header), sizeof size);
    return size;
  }
  return 0;
}

/// Has the system cut a message into datagrams of `size` bytes; behind the source, if one was set. `control` has room for
/// CLINUX_MESSAGE_CONTROL_CAPACITY bytes.
static inline void clinux_message_set_segment_size(struct msghdr *message, void *control, uint16_t size) {
  size_t used = message->msg_control ? message->msg_controllen : 0;
  struct cmsghdr *header = (struct cmsghdr *)((char *)control + used);
  memset(header, 0, CMSG_SPACE(sizeof size));
  header->cmsg_level = IPPROTO_UDP;
  header->cmsg_type = CLINUX_UDP_SEGMENT;
  header->cmsg_len = CMSG_LEN(sizeof size);
  memcpy(CMSG_DATA(header), &size, sizeof size);
  message->msg_control = control;
  message->msg_controllen = used + CMSG_SPACE(sizeof size);
}

/// An entry of a socket's error queue (`struct sock_extended_err`), its number positive.
struct clinux_queued_error {
  int number;
  uint8_t origin, type, code;
  /// For a packet that is too long: what the link takes.
  uint32_t information;
};

static const uint8_t CLINUX_ERROR_ORIGIN_ICMP = SO_EE_ORIGIN_ICMP;
static const uint8_t CLINUX_ERROR_ORIGIN_ICMPV6 = SO_EE_ORIGIN_ICMP6;

/// Takes the oldest entry of a socket's error queue, with the address of who reported it (family 0: nobody did) and
/// of where the packet went (likewise). Returns how many bytes of the packet went to `bytes`, -1 where none waits.
static inline ssize_t clinux_take_queued_error(
    int socket, void *bytes, size_t capacity, struct clinux_queued_error *error, struct sockaddr_storage *offender,
    struct sockaddr_storage *destination) {
  union { struct cmsghdr header; char bytes[CLINUX_ERROR_CONTROL_CAPACITY]; } control;
  struct iovec region = {bytes, capacity};
  struct msghdr message = {
      .msg_name = destination, .msg_namelen = sizeof *destination, .msg_iov = &region, .msg_iovlen = 1,
      .msg_control = control.bytes, .msg_controllen = sizeof control};
  memset(error, 0, sizeof *error);
  offender->ss_family = destination->ss_family = AF_UNSPEC;
  ssize_t count = recvmsg(socket, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
  if (count < 0) return -1;
  if (message.msg_namelen == 0) destination->ss_family = AF_UNSPEC;
  error->number = EIO;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    int is_ipv4 = header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR;
    int is_ipv6 = header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR;
    if (!is_ipv4 && !is_ipv6) continue;
    struct sock_extended_err extended;
    memcpy(&extended, CMSG_DATA(header), sizeof extended);
    error->number = (int)extended.ee_errno;
    error->origin = extended.ee_origin, error->type = extended.ee_type, error->code = extended.ee_code;
    error->information = extended.ee_info;
    size_t length = header->cmsg_len - CMSG_LEN(0) - sizeof extended;
    if (length > sizeof *offender) length = sizeof *offender;
    memcpy(offender, CMSG_DATA(header) + sizeof extended, length);
  }
  return count;
}

/// Lets a raw ICMP socket take echo replies with `identifier` only.
static inline int clinux_take_echo_replies(int socket, int is_ipv4, uint16_t identifier) {
  // An IPv4 raw socket sees the IP header (of X bytes), an IPv6 one begins behind it.
  struct sock_filter ipv4[] = {
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0 /* echo reply, RFC 792 */, 0, 3),
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, identifier, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  struct sock_filter ipv6[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 129 /* echo reply, RFC 4443 */, 0, 3),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, identifier, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  struct sock_fprog program = {
      .len = (unsigned short)(is_ipv4 ? sizeof ipv4 / sizeof *ipv4 : sizeof ipv6 / sizeof *ipv6),
      .filter = is_ipv4 ? ipv4 : ipv6};
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) return -1;
  // What came before the filter did.
  char byte;
  while (recv(socket, &byte, sizeof byte, MSG_DONTWAIT) >= 0) continue;
  return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
}

#endif
