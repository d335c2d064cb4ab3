// TAP devices (linux/if_tun.h), and the header before their frames (linux/virtio_net.h).

#ifndef CLINUX_TAP_H
#define CLINUX_TAP_H

#include <linux/if_tun.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

/// The part of `struct ifreq` that the calls for TAP devices use, at its full size. (The system's own structure is in
/// two headers that cannot be included together.)
struct clinux_interface_request {
  char name[16];
  uint16_t flags;
  char padding[22];
};

static const uint16_t CLINUX_TAP_NO_PI = IFF_NO_PI;
static const uint16_t CLINUX_TAP_VNET_HEADER = IFF_VNET_HDR;
static const uint16_t CLINUX_TAP_MULTI_QUEUE = IFF_MULTI_QUEUE;
static const uint16_t CLINUX_TAP_KIND = IFF_TAP;

/// The offloads of TUNSETOFFLOAD; those for UDP came with Linux 6.2, after some systems' headers.
static const uint32_t CLINUX_TAP_CHECKSUM = 0x01;
static const uint32_t CLINUX_TAP_TSO4 = 0x02;
static const uint32_t CLINUX_TAP_TSO6 = 0x04;
static const uint32_t CLINUX_TAP_TSO_ECN = 0x08;
static const uint32_t CLINUX_TAP_USO4 = 0x20;
static const uint32_t CLINUX_TAP_USO6 = 0x40;

/// Attaches a descriptor of /dev/net/tun to the device of a name, which is made if there is none; the name that it
/// got is written back.
static inline int clinux_tap_attach(int descriptor, struct clinux_interface_request *request) {
  return ioctl(descriptor, TUNSETIFF, request);
}

/// The name and the flags of the device that a descriptor is attached to.
static inline int clinux_tap_query(int descriptor, struct clinux_interface_request *request) {
  memset(request, 0, sizeof *request);
  return ioctl(descriptor, TUNGETIFF, request);
}

/// Lets the device of a descriptor outlive its descriptors, or go with the last of them.
static inline int clinux_tap_set_persistent(int descriptor, int is_persistent) {
  return ioctl(descriptor, TUNSETPERSIST, (unsigned long)is_persistent);
}

/// Says which user, besides root, may attach to the device.
static inline int clinux_tap_set_owner(int descriptor, uint32_t user) {
  return ioctl(descriptor, TUNSETOWNER, (unsigned long)user);
}

/// Says which group may.
static inline int clinux_tap_set_group(int descriptor, uint32_t group) {
  return ioctl(descriptor, TUNSETGROUP, (unsigned long)group);
}

/// Sets the length of the header before each frame, in bytes.
static inline int clinux_tap_set_header_length(int descriptor, int length) {
  return ioctl(descriptor, TUNSETVNETHDRSZ, &length);
}

/// Says which offloads the reader of a device takes.
static inline int clinux_tap_set_offloads(int descriptor, uint32_t offloads) {
  return ioctl(descriptor, TUNSETOFFLOAD, (unsigned long)offloads);
}

#endif
