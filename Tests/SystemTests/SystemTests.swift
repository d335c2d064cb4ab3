import Testing

/// Real processes, real kernels and real time. One test at a time: they measure, and two cores are few.
@Suite(.serialized, Requirement.culvert, Requirement.guest)
struct SystemTests {}
