"""Where this process listens: at the address by which it and the node of rank 0 reach each other, and no other."""

import os
import socket
import struct
import sys

from .errors import Refusal

#: Which network Gloo and NCCL take, unless a user has said so.
GLOO, NCCL = "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"
#: Linux, `netdevice(7)`: the IPv4 address of an interface.
SIOCGIFADDR = 0x8915


def _resolved(host, port):
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise Refusal(f"MASTER_ADDR {host} is no host that is known here: {error.strerror}") from None


def own_address(host, port):
    """This host's address on the way to `host`. Nothing is sent: only the way is looked up."""
    family, _, _, _, target = _resolved(host, port)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(target)
        except OSError as error:
            raise Refusal(f"there is no way to MASTER_ADDR {host} from here: {error.strerror}") from None
        return probe.getsockname()[0]


def _address_of(name):
    """The IPv4 address of an interface, if it has one."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("256s", name.encode()[:15])
        try:
            return socket.inet_ntoa(fcntl.ioctl(any_socket.fileno(), SIOCGIFADDR, request)[20:24])
        except OSError:
            return None


def interface_of(address):
    """The name of the interface with that address, where the system says so."""
    if not sys.platform.startswith("linux"):
        return None
    return next((name for _, name in socket.if_nameindex() if _address_of(name) == address), None)


def choose_network(host, port):
    """Has Gloo and NCCL listen on the network of the head only; they would else take another one of this host's."""
    name = interface_of(own_address(host, port))
    if name is not None:
        os.environ.setdefault(GLOO, name)
        # The equals sign: this name, and not all that begin with it.
        os.environ.setdefault(NCCL, f"={name}")


def listening(host, port):
    """A socket at the given address; a store that makes its own would listen on all networks of this host."""
    family, kind, _, _, target = _resolved(host, port)
    server = socket.socket(family, kind)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(target)
        server.listen(socket.SOMAXCONN)
    except OSError as error:
        raise Refusal(f"rank 0 cannot listen at {target[0]}, port {target[1]}: {error.strerror}") from None
    return server
