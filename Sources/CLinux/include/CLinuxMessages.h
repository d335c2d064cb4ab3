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

/// The kernel's `struct mmsghdr`, which only _GNU_SOURCE would declare.
struct clinux_message {
  struct msghdr header;
  unsigned int length;
};

/// Room for one packet information of either family.
#define CLINUX_PACKET_INFORMATION_CAPACITY 64

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
/// CLINUX_PACKET_INFORMATION_CAPACITY bytes.
static inline void clinux_message_set_source(
    struct msghdr *message, void *control, int is_ipv4, uint64_t high, uint64_t low) {
  memset(control, 0, CLINUX_PACKET_INFORMATION_CAPACITY);
  message->msg_control = control;
  message->msg_controllen = CLINUX_PACKET_INFORMATION_CAPACITY;
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

/// Takes the oldest entry of a socket's error queue: its error number, 0 where the queue is empty.
static inline int clinux_take_queued_error(int socket) {
  union { struct cmsghdr header; char bytes[256]; } control;
  char byte;
  struct iovec region = {&byte, sizeof byte};
  struct msghdr message = {
      .msg_iov = &region, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
  if (recvmsg(socket, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return 0;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    int is_ipv4 = header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR;
    int is_ipv6 = header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR;
    if (is_ipv4 || is_ipv6) return (int)((const struct sock_extended_err *)CMSG_DATA(header))->ee_errno;
  }
  return EIO;
}

#endif
