"""The tables of `Scripts/bench netns`."""

import statistics

FLOWS = [f"IPv{family} {direction} {streams}"
         for family in (4, 6) for direction in ("up", "down") for streams in (1, 8)]
DATAGRAMS = [f"{size} {direction}" for size in (64, 1400) for direction in ("up", "down")]

# Of each table: its title, and its columns: a heading, where the figure is, what it is divided by, its decimals.
TABLES = [
    ("TCP, Gbit/s, with 1 and 8 streams; up is from the namespace",
     [(flow, ("tcp", flow, "gbit"), 1, 2) for flow in FLOWS]),
    ("TCP, processor seconds of the network for each GB",
     [(flow, ("tcp", flow, "cpu"), 1, 3) for flow in FLOWS]),
    ("UDP over IPv4, 1000 datagrams per second by bytes of payload",
     [(size, ("udp", size), 1000, 1) for size in DATAGRAMS]),
    ("TCP over IPv4, a request of a byte and its response, and connections opened, used for a byte each way and closed",
     [("p50 us", ("latency", "p50"), 1, 1), ("p99 us", ("latency", "p99"), 1, 1),
      ("connections/s, 1 at a time", ("connections", "1", "rate"), 1, 0),
      ("CPU us for each", ("connections", "1", "cpu"), 1, 1),
      ("connections/s, 32 at a time", ("connections", "32", "rate"), 1, 0),
      ("CPU us for each", ("connections", "32", "cpu"), 1, 1)]),
    ("Context switches in 5 s of idleness, and peak memory after all measures",
     [("switches", ("idle", "switches"), 1, 0), ("MB", ("memory", "bytes"), 1e6, 1)]),
    ("One TCP flow over IPv4 over a path of 40 ms, Gbit/s; loopback is a plain socket of the host",
     [("up", ("path", "up"), 1, 2), ("down", ("path", "down"), 1, 2)]),
]


def figure(results, path):
    """The median over the rounds that have the figure, None where none has."""
    values = []
    for result in results:
        for key in path:
            result = result.get(key) if result else None
        if result is not None:
            values.append(result)
    return statistics.median(values) if values else None


def row(name, cells):
    return f"| {name} | " + " | ".join(cells) + " |"


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if ours is not None and theirs else "–"


def comparisons(table, networks):
    """Pairs of Culvert and a peer of the same MTU, and of Culvert and loopback."""
    for ours in networks:
        for theirs in networks:
            if ours.kind == "culvert" and theirs.kind != "culvert" and theirs.mtu in (ours.mtu, None):
                yield ours.name, theirs.name


def print_tables(table, networks):
    for title, columns in TABLES:
        figures = {name: [figure(results, path) for _, path, _, _ in columns] for name, results in table.items()}
        if not any(value is not None for values in figures.values() for value in values):
            continue
        print(f"\n{title}\n")
        print(row("network", [heading for heading, _, _, _ in columns]))
        print("|---|" + "--:|" * len(columns))
        for name, values in figures.items():
            print(row(name, ["–" if value is None else f"{value / divisor:.{decimals}f}"
                             for value, (_, _, divisor, decimals) in zip(values, columns)]))
        for ours, theirs in comparisons(table, networks):
            print(row(f"{ours} / {theirs}", map(ratio, figures[ours], figures[theirs])))
