"""Which kernels and userlands there are, and what is run in each: data alone.

Must never name a backend but where it must not be skipped or cannot be: the results say which backends netsim has.
"""

from dataclasses import dataclass, field

BACKENDS = ("iptables-nft", "iptables-legacy", "ebpf")
# What must not be skipped where nothing is missing, as NETSIM_REQUIRE names it.
REQUIRED = ("root", *BACKENDS, "netem", "kernel-log")


@dataclass(frozen=True)
class Kernel:
    """A kernel by the name that people give it, and the Debian suite that it comes from."""

    name: str
    suite: str


@dataclass(frozen=True)
class Userland:
    """A root file system: a suite's, changed by a shell script that runs in the guest before anything else.

    A command of it that fails ends the guest: it would be another userland than its name says.
    """

    name: str
    suite: str
    what: str
    prelude: str = ""
    arguments: tuple = field(default=())
    # Backends that cannot be there: they are tried, and skipped for the reason that netsim finds.
    absent: tuple = field(default=())
    # Families that a backend has not, as patterns of `backend::family`: scenarios take the other one.
    lacking: tuple = field(default=())

    @property
    def required(self):
        """What must not be skipped there."""
        return tuple(name for name in REQUIRED if name not in self.absent)

    def is_whole(self):
        """Whether it is a suite's as it comes, so that nothing may be skipped for what it lacks."""
        return not self.prelude and not self.arguments


@dataclass(frozen=True)
class Gap:
    """Variants that fail on some kernels, which cannot be mended here: there they must fail, and elsewhere pass."""

    scenario: str
    # A pattern of `backend::family`.
    variants: str
    kernels: tuple
    # What the failure says, in part: any other is none that is expected.
    says: str
    reason: str


KERNELS = (
    Kernel("5.10", "bullseye"),
    Kernel("6.1", "bookworm"),
    Kernel("6.12", "trixie"),
    Kernel("newest", "forky"),
)

# The kernel with which userlands are tried that are not its own.
USERLAND_KERNEL = "6.1"

# What scenarios and tests call. `mount` is not essential any more in newer suites.
PACKAGES = (
    "iptables", "nftables", "iproute2", "kmod", "mount", "curl", "bind9-dnsutils", "python3", "procps", "netbase",
)

HYBRID = """
umount /sys/fs/cgroup
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/unified /sys/fs/cgroup/cpu /sys/fs/cgroup/memory /sys/fs/cgroup/net_cls
mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
for controller in cpu memory net_cls; do mount -t cgroup -o $controller cgroup /sys/fs/cgroup/$controller; done
"""

# With cgroup v2 alone, as every guest, but where another word is said of it.
USERLANDS = (
    Userland("bullseye", "bullseye", "iptables of Debian 11"),
    Userland("bookworm", "bookworm", "iptables of Debian 12"),
    Userland("trixie", "trixie", "iptables of Debian 13"),
    Userland("forky", "forky", "the newest iptables"),
    Userland("nft-only", "bookworm", "without legacy programs", """
rm /usr/sbin/*tables-legacy*
[ -z "$(command -v iptables-legacy)" ]
""",
             absent=("iptables-legacy",)),
    Userland("legacy-only", "bookworm", "without nft programs",
             """
rm /usr/sbin/*tables-nft* /usr/sbin/nft
[ -z "$(command -v iptables-nft)" ]
""", absent=("iptables-nft",)),
    Userland("no-ip6tables", "bookworm", "without ip6tables: iptables for IPv4 alone", """
rm /usr/sbin/ip6tables*
[ -z "$(command -v ip6tables)" ]
""",
             lacking=("iptables-*::ipv6",)),
    Userland("no-ipv6", "bookworm", "IPv6 off at boot: IPv4 alone", "[ ! -e /proc/net/if_inet6 ]", arguments=("ipv6.disable=1",), lacking=("*::ipv6",)),
    Userland("no-bpffs", "bookworm", "no bpf file system", """
umount /sys/fs/bpf
[ -z "$(grep ' /sys/fs/bpf ' /proc/mounts)" ]
"""),
    Userland("cgroup-hybrid", "bookworm", "cgroup v1 with an empty v2 beside it", HYBRID),
)

# One of each kind of traffic: enough to see that a kernel and a userland are fit at all.
SMOKE = ("outbound/default", "inbound/default", "dns/listed-servers", "self/sidecar", "lifecycle/replaced")

# Something of each feature, and all that needs what not every kernel has.
CORE = (
    *SMOKE,
    "outbound/wire", "inbound/forwarded", "dns/all-servers", "dns/same-source-port", "exclusions/users-and-ports",
    "exclusions/interfaces", "exclusions/groups", "foreign/side", "iptables/invalid-packets", "iptables/logs",
    "iptables/lock-held", "iptables/without-comments", "lifecycle/again", "network/loss", "network/link-down",
    "ports/ranges", "ports/ipv6-disabled", "programs/curl", "sidecar/killed", "topologies/without-ipv6", "vnet/captured",
    "vnet/bridge", "vnet/one-source-port", "ebpf/own-listener",
)

SETS = {"smoke": SMOKE, "core": CORE, "all": ()}

GAPS = (
    Gap("vnet/one-source-port", "iptables-*", ("5.10", "6.1"), "one-port.py", "with iptables, this kernel does not answer a machine behind --vnet "
        "whose second connection comes from the source port of one that is open"),
    *(Gap(scenario, "ebpf::*", ("5.10",), "exit code 2", "this kernel does not tell programs the interface that a connection arrives by (Linux 5.17 "
          "does): the options that name one are refused by name with ebpf")
      for scenario in ("exclusions/inbound-interfaces", "ebpf/one-interface", "ebpf/refused-interfaces")),
)


def own(kernel):
    """The userland that a kernel comes with: its suite's."""
    return Userland(kernel.suite, kernel.suite, "its own")
