// Packet sockets (packet(7)) that look at what passes an interface, many frames by one call.

#ifndef CLINUX_CAPTURE_H
#define CLINUX_CAPTURE_H

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "CLinuxMessages.h"

#ifndef SCM_TIMESTAMPNS
#define SCM_TIMESTAMPNS SO_TIMESTAMPNS
#endif

/// Bytes of `struct virtio_net_hdr` before each frame (PACKET_VNET_HDR), and of a VLAN tag, for which there is room before
/// that.
#define CLINUX_CAPTURE_HEADER 10
#define CLINUX_CAPTURE_TAG 4

/// What the kernel tells of a frame beside its bytes.
struct clinux_capture_slot {
  struct sockaddr_ll address;
  struct iovec region;
  _Alignas(8) char control[CMSG_SPACE(sizeof(struct tpacket_auxdata)) + CMSG_SPACE(sizeof(struct timespec))];
};

/// A frame that was taken.
struct clinux_captured {
  /// Where it begins in its slot's memory, and how many bytes of it are there.
  uint32_t offset, count;
  /// Its length on the link.
  uint32_t length;
  /// Whether it went out by the interface.
  uint8_t is_outgoing;
  /// Bytes by which the VLAN tag that was put back has moved what is behind it.
  uint8_t shift;
  /// `struct virtio_net_hdr`.
  uint8_t header[CLINUX_CAPTURE_HEADER];
  /// When the kernel had it, in nanoseconds since 1970; 0 where that is not told.
  int64_t time;
};

/// Has a packet socket take all frames that pass an interface from now on, in both directions, and tell of each what it
/// knows. `capacity` is how many bytes may wait.
static inline int clinux_capture_frames(int socket, uint32_t interface, int is_promiscuous, int capacity) {
  int yes = 1;
  if (setsockopt(socket, SOL_PACKET, PACKET_AUXDATA, &yes, sizeof yes) != 0) return -1;
  if (setsockopt(socket, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof yes) != 0) return -1;
  if (setsockopt(socket, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes) != 0) return -1;
  // The first takes CAP_NET_ADMIN, and goes beyond what the system allows to all.
  if (setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &capacity, sizeof capacity) != 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &capacity, sizeof capacity);
  if (is_promiscuous) {
    struct packet_mreq request = {.mr_ifindex = (int)interface, .mr_type = PACKET_MR_PROMISC};
    if (setsockopt(socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) != 0) return -1;
  }
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)interface};
  return bind(socket, (struct sockaddr *)&address, sizeof address);
}

/// Takes up to `count` frames that wait, each to its slot of `memory`, `slot_length` bytes; how many, or -1.
static inline int clinux_take_frames(
    int socket, struct clinux_message *messages, struct clinux_capture_slot *slots, void *memory, size_t slot_length,
    unsigned int count) {
  for (unsigned int index = 0; index < count; index++) {
    struct clinux_capture_slot *slot = &slots[index];
    slot->region.iov_base = (char *)memory + index * slot_length + CLINUX_CAPTURE_TAG;
    slot->region.iov_len = slot_length - CLINUX_CAPTURE_TAG;
    messages[index].header = (struct msghdr){
        .msg_name = &slot->address, .msg_namelen = sizeof slot->address, .msg_iov = &slot->region, .msg_iovlen = 1,
        .msg_control = slot->control, .msg_controllen = sizeof slot->control};
  }
  return clinux_receive_messages(socket, messages, count);
}

/// Reads what the kernel tells of a frame that was taken, and puts its VLAN tag back, which the kernel keeps beside it.
static inline struct clinux_captured clinux_captured_frame(
    struct clinux_message *message, struct clinux_capture_slot *slot) {
  struct clinux_captured frame = {.offset = CLINUX_CAPTURE_TAG + CLINUX_CAPTURE_HEADER};
  if (message->length < CLINUX_CAPTURE_HEADER) return frame;
  uint8_t *memory = (uint8_t *)slot->region.iov_base - CLINUX_CAPTURE_TAG;
  memcpy(frame.header, memory + CLINUX_CAPTURE_TAG, sizeof frame.header);
  frame.count = frame.length = message->length - CLINUX_CAPTURE_HEADER;
  frame.is_outgoing = slot->address.sll_pkttype == PACKET_OUTGOING;
  uint16_t tag = 0, kind = 0;
  for (struct cmsghdr *entry = CMSG_FIRSTHDR(&message->header); entry; entry = CMSG_NXTHDR(&message->header, entry)) {
    if (entry->cmsg_level == SOL_SOCKET && entry->cmsg_type == SCM_TIMESTAMPNS) {
      struct timespec time;
      memcpy(&time, CMSG_DATA(entry), sizeof time);
      frame.time = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
    }
    if (entry->cmsg_level != SOL_PACKET || entry->cmsg_type != PACKET_AUXDATA) continue;
    struct tpacket_auxdata known;
    memcpy(&known, CMSG_DATA(entry), sizeof known);
    frame.length = known.tp_len;
    if (!(known.tp_status & TP_STATUS_VLAN_VALID)) continue;
    tag = known.tp_vlan_tci;
    kind = known.tp_status & TP_STATUS_VLAN_TPID_VALID ? known.tp_vlan_tpid : ETH_P_8021Q;
  }
  if (kind != 0 && frame.count >= 2 * ETH_ALEN) {
    uint8_t *start = memory + frame.offset;
    memmove(start - CLINUX_CAPTURE_TAG, start, 2 * ETH_ALEN);
    uint16_t words[2] = {htons(kind), htons(tag)};
    memcpy(start - CLINUX_CAPTURE_TAG + 2 * ETH_ALEN, words, sizeof words);
    frame.offset -= CLINUX_CAPTURE_TAG;
    frame.count += CLINUX_CAPTURE_TAG;
    frame.length += CLINUX_CAPTURE_TAG;
    frame.shift = CLINUX_CAPTURE_TAG;
  }
  return frame;
}

/// How many frames a socket has lost since this was asked last; -1 where that cannot be told.
static inline int64_t clinux_capture_drops(int socket) {
  struct tpacket_stats counts;
  socklen_t length = sizeof counts;
  if (getsockopt(socket, SOL_PACKET, PACKET_STATISTICS, &counts, &length) != 0) return -1;
  return counts.tp_drops;
}

#endif
